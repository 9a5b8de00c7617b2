/*
 * cookies: the connections whose TIME_WAIT entries may be removed, by SO_COOKIE.
 *
 * Owns: the set, how a process adds to the set of another process, and the removal of the
 * entries (diag.h). The launcher holds the set in its own memory and removes; the programs that
 * it runs add to it from outside, one system call at a time. The kernel asks at each of these
 * calls whether the caller may control the launcher (ptrace(2), PTRACE_MODE_ATTACH): a process
 * that has dropped to another user, or to fewer capabilities than the launcher has, can add
 * nothing any more, whatever it has kept from before. No malloc, no locks, no fd.
 */
#ifndef COOKIES_H
#define COOKIES_H

#include "kernel/diag.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * Each cookie has one place, and a later cookie takes the place of an earlier one. The kernel
 * numbers sockets upwards (sock_gen_cookie()), so there are few collisions among so many. A
 * cookie that is still here when its socket no longer exists matches nothing.
 */
#define COOKIES_MAX 16384u

struct cookies {
    uint64_t mark; /* random: tells the set from other memory at the same address */
    _Atomic uint64_t all[COOKIES_MAX];
};

bool cookies_has(const struct cookies *cookies, uint64_t cookie);

/** A set in the memory of another process. */
struct cookies_remote {
    pid_t pid;
    uint64_t address, mark;
};

/** What cookies_remote_parse() reads, for a set of this process: "/proc/PID/mem:ADDRESS:MARK".
 */
void cookies_text(struct text *text, const struct cookies *cookies);

/** False where `value` is not of that form. */
bool cookies_remote_parse(const char *value, struct cookies_remote *remote);

/**
 * Whether the set is there and this process may add to it now. One process_vm_readv(2), which
 * no hook sees. False with errno: EPERM another user, or fewer capabilities than the owner.
 */
bool cookies_remote_reached(const struct cookies_remote *remote);

/**
 * Adds a cookie to a set that is reached, and to no other memory: the owner may have ended, and
 * its pid be another's. Two system calls. False with errno.
 */
bool cookies_remote_add(const struct cookies_remote *remote, uint64_t cookie);

/** What a removal did. */
struct removal {
    size_t removed;
    size_t closing; /* connections of the set in FIN_WAIT1, FIN_WAIT2 or CLOSING */
    int error;      /* of the first entry that could not be removed, or 0 */
};

/**
 * Removes every entry of the set. Only those in TIME_WAIT, and by the cookie: no socket leaves
 * that state again, so no living socket is touched, nor a later one of the same addresses.
 */
struct removal cookies_remove_entries(const struct cookies *cookies, int diag);

#endif
