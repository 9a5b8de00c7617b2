/*
 * peers: to whom connections go for which local ports may be scarce.
 *
 * Owns: a table of fixed size, and each peer's blocks of ports, mapped when first needed and
 * kept for the next peer in that row. Not locked: ports.c holds its lock.
 */
#ifndef PEERS_H
#define PEERS_H

#include "kernel/lease.h"
#include "policy/address.h"

#define PEERS 64

#define ALONE_MS 60000 /* a peer that cannot be helped is left alone */
#define BLIND_MS 1000  /* the same while the kernel does not tell: no fd or memory is left */

/* So long after EADDRNOTAVAIL, young entries are taken first, too. */
#define TIGHT_MS 1000

#define FILL_MS       1000 /* at most one dump in so long */
#define FILL_TIGHT_MS 15   /* the same, after EADDRNOTAVAIL */

/* The least age, in ms, of an entry that is taken while the peer is tight. */
#define AGE_TIGHT_MS 14

struct peer {
    int64_t used_ms, filled_ms;
    int64_t alone_ms;  /* left alone until then */
    int64_t tight_ms;  /* said EADDRNOTAVAIL: young entries, too, until then */
    int64_t probe_ms;  /* when a plain connect is to look whether ports are still scarce */
    int64_t helped_ms; /* when a port was last taken, or first looked for after a pause */
    int64_t rest_ms;   /* no look before connect() until then */
    struct blocks *blocks;
    struct rest rest; /* of the block that was looked at last */
    struct diag_socket wanted;
    int64_t shared_ms;   /* when a port was last had by sharing_take() */
    int64_t seen_ms;     /* when its sockets were last seen where they are looked for */
    int64_t no_share_ms; /* it is not tried until then */
    int64_t unseen_ms;   /* nor until then where they are not seen */
    unsigned shared;     /* the number of its block, modulo those that there are */
    unsigned misses;     /* looks in vain, in a row */
    unsigned takes;      /* since the last such look */
    unsigned plenty;     /* how many of them found ports of the first parity, in a row */
    bool used;
    bool scarce; /* take over ports before connect() finds none */
    bool filled; /* blocks are known since filled_ms */
    bool local;  /* of this host: no segment is delayed for long */
};

/** The peer, a v4-mapped address counting as the IPv4 one; NULL where it is not in the table.
 */
struct peer *peers_find(const union address *address, uint32_t interface);

/** The same; puts it into the table, in the place of the one that was not used for longest. */
struct peer *peers_get(const union address *address, uint32_t interface, int64_t now_ms);

/** Some peer is scarce and was used lately; ends the scarcity of the others. */
bool peers_any_scarce(int64_t now_ms);

/** Forgets all, in the child of a fork. */
void peers_reset(void);

/** The address is 127.0.0.0/8 or ::1. */
bool peer_is_loopback(const struct peer *peer);

/** The kernel takes over such entries itself, from 1,000 ms on, and races (fact 15). */
bool peer_kernel_reuses(const struct peer *peer, const struct sysctls *sysctls);

/** Whose port is wanted for fd, and which entries can be taken for it; .wanted is the peer's.
 */
struct taker peer_taker(const struct peer *peer, int fd, uint8_t family,
                        const struct sysctls *sysctls, int64_t now_ms);

/**
 * From one of the next blocks, each of which goes to the end of the ring; tight: from one of
 * more of them, whether they are ready or not.
 */
enum took peer_take(struct peer *peer, const struct taker *taker, int64_t now_ms,
                    struct lease_entry *entry);

/** From so many ms on an entry of the peer's can be taken (fact 15). */
uint32_t peer_least_age(const struct peer *peer);

/**
 * Finds the local address that the kernel chooses towards the peer, and the blocks of TIME_WAIT
 * entries between the two; sets wanted->socket. False: the kernel does not tell.
 */
bool peer_fill(struct peer *peer, struct blocks_wanted *wanted, int64_t now_ms);

#endif
