/*
 * serve: receives the notified calls and lets them go on.
 *
 * Owns: the calls that are in our hands, in memory that the keeper shares: where the worker is
 * killed, the keeper lets them go on.
 */
#ifndef SERVE_H
#define SERVE_H

#include <stdbool.h>

/** Room for the calls that two processes share; before the fork. False with errno. */
bool serve_prepare(void);

/** The fd of the notifications; in a process that takes over, what is in hand goes on. */
void serve_begin(int listener);

/** Serves for `ms`, or until the fd `signals` is readable. */
void serve(int signals, int ms);

#endif
