/*
 * stats: what this process's connections were like, per policy (NOTIMEWAIT_STATS).
 *
 * Owns: the counters, and the object that is written once, at the end of the process. Atomic
 * increments only: async-signal-safe. A child of fork() counts its own, from zero. What counts
 * as what: count.h.
 */
#ifndef STATS_H
#define STATS_H

#include "report/record.h"

/** A connection under this policy is established. */
void stats_connection(const struct policy *policy);

/** A connect() succeeded after `ns`, or failed with `error`, an errno. */
void stats_connect_time(const struct policy *policy, uint64_t ns);
void stats_connect_error(const struct policy *policy, int error);

/** The port of a connection under this policy was taken over from a TIME_WAIT entry. */
void stats_recycled(const struct policy *policy);

/** A read or write of a connection returned `error`, an errno, to the program. */
void stats_io_error(const struct policy *policy, int error);

/** A connection was closed. */
void stats_close(const struct record *record);

/** In a child: nothing happened yet. */
void stats_reset(void);

/** Writes the object, unless this process has. */
void stats_write(void);

#endif
