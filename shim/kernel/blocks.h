/*
 * blocks: which ports are looked at next, towards one peer.
 *
 * A block is the 16 ports 32b + parity + 2i of one parity, since connect() uses up those of one
 * parity first (fact 17). Owns: the order of the blocks that have TIME_WAIT entries, as one
 * dump told, and what was last seen in each. Nothing here is trusted: lease.c looks again.
 *
 * A port that was bound is one that connect() does not choose any more for another peer, before
 * Linux 6.18 (fact 15d), until its last entry is gone. So a port that was taken over is taken
 * again as soon as it can be, and few are: as many as are connected from in some seconds.
 */
#ifndef BLOCKS_H
#define BLOCKS_H

#include "kernel/diag.h"
#include "kernel/sysctls.h"

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_PORTS DIAG_BATCH
#define BLOCKS      (65536 / BLOCK_PORTS)

/** TIME_WAIT lasts for 60 s (TCP_TIMEWAIT_LEN). */
#define TIME_WAIT_MS 60000

/* Times are clock_now()'s, in ms. */
struct block {
    int64_t ready_ms;   /* when it is worth another look */
    int64_t since_ms;   /* as long as `others` is what it is */
    int64_t refused_ms; /* when bind() last refused a port */
    uint32_t others;    /* a hash of its ports that are not in TIME_WAIT; 0: there are none */
    uint16_t refused;   /* the ports that bind() refused, a bit each */
    bool taken;         /* it is, or was before the last dump, in the ring of these */
};

/* Blocks, one behind the other. */
struct ring {
    uint16_t order[BLOCKS];
    unsigned head, count;
};

/* Zero is empty. */
struct blocks {
    struct ring taken; /* from which a port was had when they were last looked at */
    struct ring others;
    unsigned entries; /* how many blocks_fill() found */
    struct block block[BLOCKS];
};

/** Port i of the block. */
static inline uint16_t block_port(unsigned block, unsigned i)
{
    return (uint16_t)((block >> 1) * 2 * BLOCK_PORTS + (block & 1) + 2 * i);
}

/** Which one of its block a port is. */
static inline unsigned block_index(uint16_t port)
{
    return port / 2 % BLOCK_PORTS;
}

static inline bool range_has(const struct sysctls *sysctls, uint16_t port)
{
    return port >= sysctls->low && port <= sysctls->high;
}

/** What blocks_fill() looks for. A dump of one family takes 1 to 2 ms (fact 17). */
struct blocks_wanted {
    const struct diag_socket *socket;
    const struct sysctls *sysctls;
    uint32_t age;   /* an entry is worth a look from so many ms on */
    uint8_t family; /* of the sockets that are looked for first */
    bool both;      /* v4-mapped and IPv4 ones in any case, and not only where others lack */
};

/** It has wanted's local address; a v4-mapped one counts as IPv4. */
bool block_is_from(const struct diag_socket *socket, const struct diag_socket *wanted);

/** The age of a TIME_WAIT entry, in ms; as exact as the kernel's ticks are. */
uint32_t block_age(const struct diag_socket *entry);

/**
 * Learns by a dump which blocks have entries of wanted's local address, peer and interface;
 * the one whose youngest entry is oldest comes first. Blocks with few entries are left alone
 * where others have most of them. False: the kernel does not tell.
 */
bool blocks_fill(struct blocks *blocks, int diag, const struct blocks_wanted *wanted,
                 int64_t now_ms);

/**
 * Takes a block out of its ring; -1: there is none or, unless `any`, none is ready. One that
 * was taken from comes first if it has been ready for SETTLED_MS, in which also those of its
 * connections have ended that took a while; otherwise the one that was ready first.
 */
int blocks_next(struct blocks *blocks, int64_t now_ms, bool any);

#define SETTLED_MS 1000

/** Puts the block behind those that were taken from, or the others, to be ready then. */
void blocks_put(struct blocks *blocks, unsigned block, int64_t ready_ms, bool taken);

static inline unsigned blocks_count(const struct blocks *blocks)
{
    return blocks->taken.count + blocks->others.count;
}

/** Begins elsewhere among the first blocks: not where all other processes begin, too. */
void blocks_rotate(struct blocks *blocks, uint32_t seed);

#endif
