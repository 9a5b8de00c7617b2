/*
 * lease: how a TIME_WAIT port is taken over so that no other process takes it, too.
 *
 * Two that take one entry make the second one's connect() fail, and an entry in FIN_WAIT2 must
 * not be taken (fact 16), so every port is looked at first. One look serves a whole block:
 * under the block's lock, a netlink address (diag_open_as()), its 16 ports are looked at, and
 * the oldest is bound at once. That touch tells every other process to leave the block alone:
 * while the port is bound SO_REUSEADDR is off, so that their bind() of it fails, and then it is
 * live or a young entry, which their look shows. So the other ports are this process's for a
 * few ms, without lock or look: the lease.
 *
 * An entry younger than QUIET_MS is never in a lease. It is taken alone, under the lock,
 * and the others that were seen with it are remembered: of these, one look-up each is enough.
 */
#ifndef LEASE_H
#define LEASE_H

#include "kernel/blocks.h"
#include "kernel/clock.h"

#define LEASE_NS (20 * NS_PER_MS)

/* A younger entry may be the touch of a lease that is in use; an older one may be in a lease.
 * Much longer than LEASE_NS, since a thread may be off the CPU between its look at the clock
 * and connect(), and a container's for the 100 ms of a period of its CPU quota. A port that is
 * not in TIME_WAIT may be the touch, too, until it was seen unchanged for so long. */
#define QUIET_MS 200

/** A TIME_WAIT entry. */
struct lease_entry {
    uint16_t port;
    uint64_t cookie;
};

struct lease {
    int64_t until;          /* clock_now() */
    _Atomic unsigned count; /* a signal handler may take one, too, at any time */
    struct lease_entry entries[BLOCK_PORTS]; /* the oldest last */
};

/** Young entries that were seen, and may be gone: nobody has them. Under the caller's lock. */
struct young {
    unsigned count, block;
    struct lease_entry entries[BLOCK_PORTS]; /* the oldest last */
};

/** For which socket a port is wanted. */
struct taker {
    int fd;
    uint8_t family;            /* of fd */
    struct diag_socket wanted; /* local address, peer, interface */
    const struct sysctls *sysctls;
    const struct port_set *avoid; /* ports that are not taken; NULL: none is left out */
    uint32_t age;                 /* the least of an entry that is taken, in ms */
    uint32_t below;               /* and what it is less than: older ones are the kernel's */
};

enum took {
    TOOK,       /* fd is bound; the caller turns SO_REUSEADDR on again after connect() */
    TOOK_LATER, /* nothing to be had from this block now */
    TOOK_FIXED, /* fd cannot be bound */
    TOOK_BLIND, /* the kernel does not tell */
};

/** Where entries go that were seen with the one that was taken: to one of the two. */
struct rest {
    struct lease lease;
    struct young young;
};

/** Takes an entry of the block, stores it in *entry, and puts the others into *rest. */
enum took lease_take(const struct taker *taker, unsigned number, struct block *block,
                     struct rest *rest, struct lease_entry *entry);

/** Takes one of the young entries that is still there, as lease_take() does. */
enum took lease_take_young(const struct taker *taker, struct blocks *blocks,
                           struct young *young, struct lease_entry *entry);

/**
 * Takes a port of the block that has no socket to the peer. Before Linux 6.18 connect() does
 * not choose a port that was bound for another peer, though it is free towards this one (facts
 * 15c, 15d); bind() takes it if all that have it have SO_REUSEADDR. *entry has no cookie.
 */
enum took lease_take_unused(const struct taker *taker, unsigned number, struct block *block,
                            struct lease_entry *entry);

/** Takes a leased entry, stores it in *entry; TOOK_LATER: there is none. SO_REUSEADDR stays on.
 */
enum took lease_pop(const struct taker *taker, struct lease *lease, struct lease_entry *entry);

/** Nobody else can bind fd's port until SO_REUSEADDR is on again: as while it is touched. */
void lease_reserve(int fd);

/** What there is now of *socket with that local port. False: the kernel does not tell. */
bool lease_look(struct diag_socket *socket, uint16_t port);

#endif
