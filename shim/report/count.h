/*
 * count: what this process's connections were like, as they happen: into the statistics of this
 * process (stats.h), onto the board (tally.h), or both.
 *
 * Owns: which errors count. `slot`: the connection's (tally.h).
 */
#ifndef COUNT_H
#define COUNT_H

#include "report/record.h"

/** A connection under this policy is established. */
void count_connection(const struct policy *policy, uint32_t slot);

/** A connect() succeeded after `ns`, or failed with `error`, an errno. */
void count_connect(const struct policy *policy, uint32_t slot, int64_t ns, int error);

/** A client under this policy connects to `peer`. */
void count_peer(const struct policy *policy, uint32_t slot, const union address *peer);

/** The port of a connection under this policy was taken over from a TIME_WAIT entry. */
void count_recycled(const struct policy *policy, uint32_t slot);

/** A read or write of a connection returned `error`, an errno, to the program. Returns whether
 * that is one that counts; `first`: of the connection. */
bool count_io_error(const struct policy *policy, uint32_t slot, int error, bool first);

/** A connection was closed. */
void count_close(const struct record *record);

#endif
