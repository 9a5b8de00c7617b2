/*
 * conn: one TCP socket of this process, and what the hooks saw of it.
 *
 * Owns: the memory of connections. They are never unmapped, and a freed one is only ever used
 * as another connection: a thread that still looks at one cannot crash, it sees another
 * generation. No locks, no malloc: async-signal-safe.
 *
 * Who may touch what while other threads use the same fd: everybody the atomic fields. Policy,
 * role and cookie mean something once CONN_BORN is seen; a stale pointer then finds those of an
 * earlier or a later use of the memory, which the cookie tells before a lever is pulled. Only
 * the claimer (table_claim()), or whoever dropped the last reference, may touch the addresses
 * and the time that connect() took.
 */
#ifndef CONN_H
#define CONN_H

#include "policy/address.h"
#include "policy/policy.h"
#include "policy/rules.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What is true of a connection; bits of conn.flags. */
enum conn_flag {
    CONN_BORN = 1 << 0,        /* connected or accepted: cookie, role and policy are valid */
    CONN_SHARED = 1 << 1,      /* dup'ed, passed or inherited, now or earlier */
    CONN_ARMED = 1 << 2,       /* TCP_LINGER2 is -1, and not by the application's wish */
    CONN_APP_LINGER = 1 << 3,  /* the application's SO_LINGER is on */
    CONN_APP_LINGER2 = 1 << 4, /* the application set TCP_LINGER2 */
    CONN_SHUT_RD = 1 << 5,     /* the application's shutdown(SHUT_RD): reads of 0 are no EOF */
    CONN_COUNTED = 1 << 6,     /* as a connection, in the statistics */
    CONN_CLAIMED = 1 << 7,     /* table_claim() */
    CONN_FAILED = 1 << 8,      /* connect() did, and SO_ERROR has told why */
    CONN_APP_PORT = 1 << 9,    /* the application chose its port, or how ports are shared */
    CONN_DEVICE = 1 << 10,     /* the application bound it to a device */
    CONN_RECYCLED = 1 << 11,   /* its port was taken over from a TIME_WAIT entry */
    CONN_TO_LOOK_AT = 1 << 12, /* birth_look() is due */
    CONN_BROKEN = 1 << 14,     /* a read or a write has failed */
    CONN_FAST_OPEN = 1 << 13,  /* connect() may succeed before there is a connection */
    CONN_LOW_WATER = 1 << 15,  /* SO_RCVLOWAT is set: poll() keeps quiet about less input */
    CONN_CLIENT = 1 << 16,     /* it has connected */
    CONN_SERVER = 1 << 17,     /* it was accepted */
};

#define CONN_APP_LINGERS (CONN_APP_LINGER | CONN_APP_LINGER2)

/* What the application said of the socket: it outlasts connect(AF_UNSPEC). */
#define CONN_APP                                                                               \
    (CONN_APP_LINGERS | CONN_APP_PORT | CONN_DEVICE | CONN_FAST_OPEN | CONN_LOW_WATER)

/* What an accepted socket has of its listener. */
#define CONN_INHERITED (CONN_APP_LINGERS | CONN_LOW_WATER)

struct conn {
    _Atomic uint32_t refs;       /* fds in the table that lead here, and a claim; 0: free */
    _Atomic uint32_t generation; /* another one for each use of this memory; low bits zero */
    _Atomic uint32_t last;       /* generation | enum last_op */
    _Atomic uint32_t flags;      /* enum conn_flag */
    _Atomic uint32_t next_free;  /* index + 1 */
    uint32_t index;
    _Atomic uint32_t epoch; /* process_epoch() before the socket was made */
    _Atomic uint32_t slot;  /* that it was born in (policy/slots.h) */
    /* Bytes, modulo 2^32, at most: what no hook saw is missing. */
    _Atomic uint32_t read, written;
    const struct policy *_Atomic policy;
    _Atomic uint64_t cookie; /* SO_COOKIE where anything needs it, or 0 */
    int64_t connect_ns;      /* how long connect() took; -1 where its end was not seen */
    union address local, peer;
};

_Static_assert(sizeof(struct conn) <= 128, "the budget of an open connection");

/** A new connection with one reference, nothing known; NULL when there is no memory. */
struct conn *conn_new(uint32_t epoch);

/** One more reference to c; false when it is free already. */
bool conn_get(struct conn *c);

/** One less. Returns whether it was the last: then c is the caller's, to conn_free(). */
bool conn_put(struct conn *c);

/** Gives back a connection whose last reference was put. */
void conn_free(struct conn *c);

#define CONN_OP_MASK 7u

/** What conn_note() needs of c, read before the call that it notes. */
static inline uint32_t conn_generation(struct conn *c)
{
    return atomic_load_explicit(&c->generation, memory_order_relaxed);
}

/** The application's last operation on c was op; one store. */
static inline void conn_note(struct conn *c, uint32_t generation, enum last_op op)
{
    atomic_store_explicit(&c->last, generation | op, memory_order_relaxed);
}

/** Of two threads that add at once, one may not be counted. */
static inline void conn_add(_Atomic uint32_t *count, size_t bytes)
{
    uint32_t before = atomic_load_explicit(count, memory_order_relaxed);
    atomic_store_explicit(count, before + (uint32_t)bytes, memory_order_relaxed);
}

/** It was a read of so many bytes. */
static inline void conn_note_read(struct conn *c, uint32_t generation, size_t bytes)
{
    conn_add(&c->read, bytes);
    conn_note(c, generation, LAST_READ);
}

/** It was a write of so many bytes. */
static inline void conn_note_written(struct conn *c, uint32_t generation, size_t bytes)
{
    conn_add(&c->written, bytes);
    conn_note(c, generation, LAST_WRITE);
}

/** The last operation; LAST_UNKNOWN when a late conn_note() of an earlier use overwrote it. */
enum last_op conn_last(struct conn *c);

static inline bool conn_is(const struct conn *c, uint32_t flags)
{
    return (atomic_load_explicit(&c->flags, memory_order_acquire) & flags) != 0;
}

static inline void conn_mark(struct conn *c, uint32_t flags)
{
    atomic_fetch_or(&c->flags, flags);
}

static inline void conn_unmark(struct conn *c, uint32_t flags)
{
    atomic_fetch_and(&c->flags, ~flags);
}

static inline enum role conn_role(const struct conn *c)
{
    return conn_is(c, CONN_CLIENT)   ? ROLE_CLIENT
           : conn_is(c, CONN_SERVER) ? ROLE_SERVER
                                     : ROLE_UNKNOWN;
}

static inline uint32_t conn_role_flag(enum role role)
{
    return role == ROLE_CLIENT ? CONN_CLIENT : role == ROLE_SERVER ? CONN_SERVER : 0;
}

/** Whether this process alone holds the socket, as far as can be seen. */
bool conn_is_sole(struct conn *c);

/** fd is the socket that c records, and no later one. One system call; false where unknown. */
bool conn_is_behind(struct conn *c, int fd);

/** The same where a mistake would only be counted or logged: true where nothing tells. */
bool conn_may_be_behind(struct conn *c, int fd);

/**
 * c was to be another connection, which came to nothing: connect() has begun on its fd once
 * more, to `peer`, and is done or not. (While it goes on, the kernel does not look at the
 * address: where it is done, fd tells the peer.)
 */
bool conn_begins_anew(struct conn *c, int fd, bool done, const union address *peer);

#endif
