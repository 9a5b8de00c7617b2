/*
 * stats: what this process's connections were like, per policy (NOTIMEWAIT_STATS).
 *
 * Owns: the counters, and the object that is written once, at the end of the process. Atomic
 * increments only: async-signal-safe. A child of fork() counts its own, from zero.
 */
#ifndef STATS_H
#define STATS_H

#include "report/log.h"

/** A connection under this policy is established. */
void stats_connection(const struct policy *policy);

/** A connect() succeeded after `ns`, or failed with `error`, an errno. */
void stats_connect(const struct policy *policy, int64_t ns, int error);

/** A connection was closed. */
void stats_close(const struct policy *policy, const struct record *record);

/** In a child: nothing happened yet. */
void stats_reset(void);

/** Writes the object, unless this process has. */
void stats_write(void);

#endif
