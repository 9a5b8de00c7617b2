/*
 * entries: the TIME_WAIT entries of a set of connections.
 *
 * Owns: the set, by SO_COOKIE, and the passes that find and remove entries (diag.h). Of the
 * library, and of the launcher, which may share a set with the programs that it runs. Where and
 * when a pass is made: reap.h, launcher/reaper.c. No malloc, no locks; one pass at a time in a
 * process.
 */
#ifndef ENTRIES_H
#define ENTRIES_H

#include "kernel/diag.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Each cookie has one place, a later one takes it. (They are numbered upwards,
 * sock_gen_cookie(): among so many there are few collisions.) One that is still here when its
 * socket no longer exists matches nothing.
 */
#define ENTRIES_COOKIES 16384u

/** The seals of a set that is shared (memfd_create(2)): its size stays what it is. */
#define ENTRIES_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct entries {
    _Atomic uint64_t cookies[ENTRIES_COOKIES];
};

void entries_note(struct entries *entries, uint64_t cookie);
void entries_forget(struct entries *entries, uint64_t cookie);
bool entries_has(struct entries *entries, uint64_t cookie);

/** What a pass did. */
struct pass {
    size_t removed;
    size_t closing; /* connections of the set in FIN_WAIT1, FIN_WAIT2 or CLOSING */
    int error;      /* of the first entry that could not be removed, or 0 */
};

/**
 * Removes every entry of the set. Only those in TIME_WAIT, by the cookie: a state that it never
 * leaves, so no socket that lives is touched, nor a later one of the same addresses.
 */
struct pass entries_pass(struct entries *entries, int diag);

/** Removes the one entry of the connection with this tuple and cookie. */
struct pass entries_remove(int diag, struct diag_socket *socket);

#endif
