/*
 * processes: what each supervised process's connections were, into the file of
 * NOTIMEWAIT_STATS.
 *
 * Owns: a program's counts, and the object that is written once it has ended: as the library's
 * (report/stats.h), but that what is not seen from outside is null.
 */
#ifndef PROCESSES_H
#define PROCESSES_H

#include "policy/policy.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** `file` is the variable's value. Complains where it cannot be written; the run goes on. */
void processes_begin(const char *file);

/** The thread, of this program, makes a connection under a policy of settings.config. */
void processes_count(pid_t thread, const char *program, const struct policy *policy,
                     bool recycled);

/** Writes of those that have ended: how many ms until the next time, -1: no need. */
int processes_expire(int64_t now_ms);

/** Writes of all that are left. */
void processes_end(void);

#endif
