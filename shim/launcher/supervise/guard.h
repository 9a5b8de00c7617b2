/*
 * guard: keeps a port from others while the program is about to connect from it.
 *
 * Inside a program SO_REUSEADDR is off until connect() has returned, so that nobody else can
 * bind the port (lease.h). From outside the end of connect() is not seen. So a socket of our
 * own is bound to the same port, without SO_REUSEADDR, for a few ms, and for more, up to 100,
 * as long as the entry is still there: where the CPU is another's, connect() may begin late.
 * Where the same thread has made another call since, connect() is over.
 *
 * Owns: these sockets.
 */
#ifndef GUARD_H
#define GUARD_H

#include "kernel/lease.h"

#include <stdint.h>
#include <sys/types.h>

/** The thread has made a notified call: the one before is over. */
void guard_heard(pid_t thread);

/**
 * For this call of the thread's. `fd`, of that family, is bound to the entry's port, to go to
 * `wanted`, and has SO_REUSEADDR off: it gets that back. Where the kernel does not let us bind
 * the port, too (a socket of another user), it goes without.
 */
void guard_hold(int fd, pid_t thread, const struct lease_entry *entry,
                const struct diag_socket *wanted, uint8_t family, int64_t now_ms);

/** Ends those that are over; how many ms the next one has left, -1: there is none. */
int guard_expire(int64_t now_ms);

#endif
