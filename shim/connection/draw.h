/*
 * draw: which policy a connection gets: the rule that matches, and an arm of its split.
 *
 * Owns: the random numbers behind a split (NOTIMEWAIT_SEED).
 */
#ifndef DRAW_H
#define DRAW_H

#include "policy/rules.h"

/** Seeds the draws and registers for fork(); called once, before main. */
void draw_init(void);

/** The policy of a connection that is being born; it stays. */
const struct policy *draw_policy(const struct newborn *newborn);

/** Before a fork that runs no pthread_atfork() handlers, and in its child. */
void draw_forking(void);
void draw_in_child(void);

#endif
