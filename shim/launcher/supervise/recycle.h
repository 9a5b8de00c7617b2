/*
 * recycle: a port in TIME_WAIT for a connect() that is about to be made, from outside.
 *
 * Owns: to which peers ports are scarce, as dumps of the kernel's sockets tell (the end of a
 * connect() is not seen here), and whether a peer has timestamps. What is taken is verified as
 * inside the program (kernel/lease.h).
 */
#ifndef RECYCLE_H
#define RECYCLE_H

#include "policy/address.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * Before the thread connects `fd`, which is not bound: sets SO_REUSEADDR, and binds it where
 * ports are scarce. False: all ports are taken, and one will be free in a few ms; to be called
 * again then (`tries` times it was), unless that was often enough.
 */
bool recycle_before_connect(int fd, pid_t thread, const union address *peer, unsigned tries);

/** To be called now and then: how many ms until the next time, -1: no need. */
int recycle_expire(int64_t now_ms);

#endif
