/*
 * leftovers: TIME_WAIT entries that the last runs left, which could fail the next.
 *
 * Owns: their removal: only entries in TIME_WAIT, only of connections that a run's log names,
 * and only by the entry's own cookie.
 */
#ifndef LEFTOVERS_H
#define LEFTOVERS_H

#include "launcher/ab/tuples.h"

#include <stdbool.h>

/** Zeroed but for diag, there are none. */
struct leftovers {
    int diag;             /* diag_open() */
    struct tuples tuples; /* of runs since there were none */
    bool cannot_remove;   /* it was tried */
};

/** TIME_WAIT entries of these tuples, and how long until the last of them is gone. */
struct time_wait_left {
    size_t entries;
    unsigned ms;
};

/** Those of `tuples` that are in TIME_WAIT now; false when the kernel does not tell. */
bool leftovers_count(int diag, struct tuples *tuples, struct time_wait_left *left);

/**
 * Removes them, or where that is not permitted waits until they are gone or a signal comes;
 * `run` is what waits, for the progress, or NULL: does not wait. Returns whether none is left.
 */
bool leftovers_clear(struct leftovers *leftovers, const char *run);

#endif
