/*
 * leftovers: the TIME_WAIT entries of earlier runs, which could make the next run fail.
 *
 * Owns: their removal. It touches only entries in TIME_WAIT, only those of connections in a
 * run's log, and names each by its own cookie.
 */
#ifndef LEFTOVERS_H
#define LEFTOVERS_H

#include "launcher/ab/tuples.h"

#include <stdbool.h>

/** Empty where all but diag is zero. */
struct leftovers {
    int diag;             /* diag_open() */
    struct tuples tuples; /* connections of the runs since the last time that none was left */
    bool cannot_remove;   /* a removal was tried, and refused */
};

/** TIME_WAIT entries of these tuples, and how long until the last of them is gone. */
struct time_wait_left {
    size_t entries;
    unsigned ms;
};

/** Those of `tuples` that are in TIME_WAIT now; false when the kernel does not tell. */
bool leftovers_count(int diag, struct tuples *tuples, struct time_wait_left *left);

/**
 * Removes them. Where that is not permitted it waits until they are gone, or a signal comes,
 * and tells on the terminal that `run` waits; where `run` is NULL it does not wait. Returns
 * whether none is left.
 */
bool leftovers_clear(struct leftovers *leftovers, const char *run);

#endif
