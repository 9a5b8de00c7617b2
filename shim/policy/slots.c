#include "policy/slots.h"

#define NS_PER_S INT64_C(1000000000)
#define WASHOUT  60 /* seconds that TIME_WAIT lasts (TCP_TIMEWAIT_LEN) */

struct slot slot_at(int64_t ns, uint32_t length)
{
    uint64_t now = (uint64_t)(ns / NS_PER_S);
    uint64_t number = now / length;
    uint32_t washout = length / 2 < WASHOUT ? length / 2 : WASHOUT;
    return (struct slot){.number = number,
                         .start = (uint32_t)(number * length),
                         .washout = now % length < washout};
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b > 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/** Each arm's slots of a block; returns how many it has. */
static uint64_t shares(const struct split *split, uint32_t share[ARMS_MAX])
{
    uint64_t divisor = 0;
    uint64_t sum = 0;
    for (unsigned i = 0; i < split->count; i++)
        divisor = common_divisor(split->arms[i].weight, divisor);
    for (unsigned i = 0; i < split->count; i++) {
        share[i] = (uint32_t)(split->arms[i].weight / divisor);
        sum += share[i];
    }
    return sum;
}

#define BLOCK_MOST 1024

uint32_t slots_block(const struct split *split)
{
    uint32_t share[ARMS_MAX];
    uint64_t sum = shares(split, share);
    return sum > BLOCK_MOST ? 1 : (uint32_t)sum;
}

/** SplitMix64's mixture of bits (Steele, Lea, Flood 2014). */
static uint64_t mixed(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/** A number that nobody foretells without the seed, for slot `number`. */
static uint64_t random_of(uint64_t number, uint64_t seed)
{
    return mixed(mixed(seed + UINT64_C(0x9e3779b97f4a7c15)) ^
                 number * UINT64_C(0xd1342543de82ef95));
}

/** Which arm `point` lies in, where each takes so much. */
static unsigned arm_at(const uint32_t share[], uint64_t point)
{
    unsigned arm = 0;
    while (arm < ARMS_MAX - 1 && point >= share[arm])
        point -= share[arm++];
    return arm;
}

/*
 * The slots of a block are drawn one after another, as from an urn: what has been drawn is not
 * put back.
 */
unsigned slots_arm(const struct split *split, uint64_t number, uint64_t seed)
{
    uint32_t share[ARMS_MAX] = {0};
    uint64_t left = shares(split, share);
    uint64_t block = left > BLOCK_MOST ? 1 : left;
    unsigned arm = 0;
    for (uint64_t n = block ? number - number % block : 0; left > 0 && n <= number; n++) {
        arm = arm_at(share, random_of(n, seed) % left);
        share[arm]--;
        left--;
    }
    return arm;
}
