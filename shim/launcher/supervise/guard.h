/*
 * guard: keeps a port from others while the program is about to connect from it.
 *
 * Inside a program SO_REUSEADDR is off until connect() has returned, so that nobody else can
 * bind the port (lease.h). From outside the end of connect() is not seen. So a socket of our
 * own is bound to the same port, without SO_REUSEADDR, for a few ms: long enough for connect()
 * to begin, after which the port is seen to be in use.
 *
 * Owns: these sockets.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stdint.h>

/**
 * `fd` is bound to the port and has SO_REUSEADDR off: it gets that back. Where the kernel does
 * not let us bind the port, too (a socket of another user), it goes without.
 */
void guard_hold(int fd, uint16_t port, uint8_t family, int64_t now_ms);

/** Ends those that are over; how many ms the next one has left, -1: there is none. */
int guard_expire(int64_t now_ms);

#endif
