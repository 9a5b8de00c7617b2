#include "connection/draw.h"

#include "kernel/process.h"
#include "policy/settings.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>

static _Atomic uint64_t draws;
static uint64_t draw_seed;

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
}

void draw_init(void)
{
    const void *random = (const void *)getauxval(AT_RANDOM); /* 16 bytes (getauxval(3)) */
    if (settings.config.seeded)
        draw_seed = settings.config.seed;
    else if (random)
        memcpy(&draw_seed, random, sizeof(draw_seed));
    pthread_atfork(draw_forking, NULL, draw_in_child);
}

const struct policy *draw_policy(const struct newborn *newborn)
{
    const struct config *config = &settings.config;
    const struct split *split = rules_find(&config->rules, newborn, &config->split);
    return rules_draw(split, split->count > 1 ? draw() : 0);
}
