/*
 * draw: which policy a connection gets: what the board's switch says, the rule that matches,
 * and an arm of its split.
 *
 * Owns: the random numbers behind a split (NOTIMEWAIT_SEED), and what they are drawn for
 * (NOTIMEWAIT_SPLIT).
 */
#ifndef DRAW_H
#define DRAW_H

#include "policy/rules.h"

/** Seeds the draws and registers for fork(); called once, before main. */
void draw_init(void);

/** What a connection gets at its birth, for good. */
struct drawn {
    const struct policy *policy; /* NULL: nothing is drawn yet */
    uint32_t slot;               /* policy/slots.h */
};

struct drawn draw_policy(const struct newborn *newborn);

/** Before a fork that runs no pthread_atfork() handlers, and in its child. */
void draw_forking(void);
void draw_in_child(void);

#endif
