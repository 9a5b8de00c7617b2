/*
 * ports: connect() from a local port that is in TIME_WAIT towards the same peer (fact 15).
 *
 * Owns: when that is done, and to which peers. Ports are scarce where connect() chose one of
 * the parity that it tries last (fact 17), or found none. Which port, and how it is made sure
 * that it is in TIME_WAIT and that nobody else takes it, is lease.h's and blocks.h's.
 *
 * Async-signal-safe: no malloc, no wait for a lock. Whoever cannot have the lock at once does
 * without. errno is not preserved.
 */
#ifndef PORTS_H
#define PORTS_H

#include "kernel/lease.h"
#include "policy/address.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum ports_why {
    PORTS_BEFORE_CONNECT,
    PORTS_AFTER_EADDRNOTAVAIL, /* which the plain connect() said */
};

/** From ports_take() to ports_taken(). */
struct ports_claim {
    enum {
        CLAIM_NONE,
        CLAIM_LEASED,  /* bound to a port of the lease */
        CLAIM_TOUCHED, /* bound; SO_REUSEADDR is off meanwhile */
    } kind;
    bool probe;  /* not bound: the plain connect() shows whether ports are still scarce */
    bool unseen; /* bound to a port of sharing_take(), which wants to know how it went */
    enum ports_why why;
    unsigned again; /* how often ports_again() was asked */
    int fd;
    struct lease_entry entry;
    uint32_t interface;
    union address peer;
};

extern _Atomic bool ports_some_scarce __attribute__((visibility("hidden")));

/** Whether ports_take() is worth a call before connect(). */
static inline bool ports_scarce(void)
{
    return atomic_load_explicit(&ports_some_scarce, memory_order_relaxed);
}

/**
 * Sets SO_REUSEADDR, which makes the port one that can be taken over later; before connect(),
 * and before ports_take(). False with errno.
 */
bool ports_make_reusable(int fd);

/**
 * Looks at the port of a connection that is established and was not bound: to be called for
 * every 64th. Interface: SO_BINDTODEVICE's, or the scope of a link-local peer; 0 for none.
 */
void ports_look(int fd, uint32_t interface);

/**
 * Binds fd to a port in TIME_WAIT towards the peer. fd has SO_REUSEADDR and is not bound.
 * False: it is as before. ports_taken() has to follow, after connect(), in either case.
 */
bool ports_take(int fd, const union address *peer, uint32_t interface, enum ports_why why,
                struct ports_claim *claim);

/**
 * connect() said EADDRNOTAVAIL to what ports_take() had bound: another process was faster, or
 * the kernel's own reuse (tcp_tw_reuse). The socket cannot be bound to another port, so this
 * waits, for a short time, until that connection is over. True: connect() is worth another try.
 */
bool ports_again(struct ports_claim *claim);

/**
 * Whatever connect() said: its errno, 0 where it succeeded. Where a signal handler leaves
 * connect() by siglongjmp(), a touched socket stays without SO_REUSEADDR, and its port comes
 * again only when its TIME_WAIT is over.
 */
void ports_finish(struct ports_claim *claim, int error);

static inline void ports_taken(struct ports_claim *claim, int error)
{
    if (claim->probe || claim->kind == CLAIM_TOUCHED)
        ports_finish(claim, error);
}

/** In the child of a fork, which starts anew. */
void ports_reset(void);

#endif
