#include "connection/draw.h"

#include "kernel/clock.h"
#include "kernel/process.h"
#include "policy/settings.h"
#include "policy/slots.h"
#include "report/tally.h"
#include "report/word.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>

static _Atomic uint64_t draws;
static uint64_t draw_seed;
static uint64_t of_process; /* for SPLIT_BY_PROCESS */

/**
 * SplitMix64 (Steele, Lea, Flood 2014). A child of fork() draws differently: by its pid or, to
 * be repeatable, from a seed of its own, drawn from its parent's.
 */
static uint64_t draw(void)
{
    uint64_t n = atomic_fetch_add(&draws, 1) + 1;
    uint64_t z = draw_seed + n * UINT64_C(0x9e3779b97f4a7c15);
    if (!settings.config.seeded)
        z ^= (uint64_t)process_pid() << 32;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void draw_forking(void)
{
    atomic_fetch_add(&draws, 1); /* so that the next child's seed is another one */
}

void draw_in_child(void)
{
    if (settings.config.seeded)
        draw_seed = draw();
    of_process = draw();
}

void draw_init(void)
{
    const void *random = (const void *)getauxval(AT_RANDOM); /* 16 bytes (getauxval(3)) */
    if (settings.config.seeded)
        draw_seed = settings.config.seed;
    else if (random)
        memcpy(&draw_seed, random, sizeof(draw_seed));
    of_process = draw();
    pthread_atfork(draw_forking, NULL, draw_in_child);
}

/** The time, in ns since 1970. Where no system call may be made and the kernel gives no clock
 * without one (vdso(7)), it would be one: then the last time that was asked for. */
static int64_t wall_clock(void)
{
    static _Atomic int64_t last;
    struct timespec ts;
    if (process_may_act() && clock_gettime(CLOCK_REALTIME_COARSE, &ts) == 0)
        atomic_store(&last, (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec);
    return atomic_load(&last);
}

/** slots_arm(), which is the same for a whole slot: remembered for the last one asked for. */
static unsigned arm_of(const struct split *split, uint64_t number)
{
    static _Atomic uint64_t last; /* the number, the weights' hash, the arm and 1 */
    uint64_t seed = settings.config.seeded ? settings.config.seed : 0;
    uint32_t hash = 1;
    for (unsigned i = 0; i < split->count; i++)
        hash = (hash ^ split->arms[i].weight) * UINT32_C(0x9e3779b1);
    uint64_t key = number << 40 | (uint64_t)hash << 8;
    uint64_t seen = atomic_load_explicit(&last, memory_order_relaxed);
    if (seen >> 8 == key >> 8 && seen % 256 > 0)
        return (unsigned)(seen % 256) - 1;
    unsigned arm = slots_arm(split, number, seed);
    atomic_store_explicit(&last, key | (arm + 1), memory_order_relaxed);
    return arm;
}

static struct drawn draw_by_slot(const struct split *split)
{
    struct slot slot = slot_at(wall_clock(), settings.config.slot_seconds);
    const struct policy *policy = split->arms[arm_of(split, slot.number)].policy;
    uint32_t counts = SLOT_NONE;
    if (settings.config.board)
        counts = tally_slot(&slot, policy, settings.config.slot_seconds, slots_block(split));
    return (struct drawn){.policy = policy, .slot = counts};
}

static struct drawn draw_from(const struct split *split)
{
    if (split->count == 1)
        return (struct drawn){.policy = split->arms[0].policy};
    switch (settings.config.split_by) {
    case SPLIT_BY_SLOT:
        return draw_by_slot(split);
    case SPLIT_BY_PROCESS:
        return (struct drawn){.policy = split_draw(split, of_process)};
    default:
        return (struct drawn){.policy = split_draw(split, draw())};
    }
}

struct drawn draw_policy(const struct newborn *newborn)
{
    const struct config *config = &settings.config;
    struct split of_board;
    enum word word = word_now(&of_board);
    if (word == WORD_OFF)
        return draw_from(&of_board);
    return draw_from(
        rules_find(&config->rules, newborn, word == WORD_SPLIT ? &of_board : &config->split));
}
