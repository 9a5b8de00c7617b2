#include "kernel/lease.h"

#include "kernel/lock.h"
#include "kernel/raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

/* What has less left might be free, and another program's, before it is taken. */
#define LEAST_LEFT_MS 100

/* A port that bind() refused is tried again after so long. */
#define REFUSED_MS 2000

/* One block as it is looked at. One thread at a time, as with diag's buffer. */
static struct view {
    unsigned count;
    uint8_t index[BLOCK_PORTS]; /* port of the block */
    struct diag_socket sockets[BLOCK_PORTS];
} view;

/** FNV-1a. */
static uint32_t hash(uint32_t h, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        h = (h ^ ((const uint8_t *)data)[i]) * 16777619u;
    return h;
}

/** The block's lock. Pids, which netlink sockets are named by otherwise, are smaller. */
static uint32_t lock_of(const struct taker *taker, unsigned number)
{
    struct diag_id id = taker->wanted.id;
    memset(id.cookie, 0, sizeof(id.cookie));
    uint32_t h = hash(2166136261u, &id, sizeof(id));
    return 0x40000000u | (hash(h, &number, sizeof(number)) & 0x3fffffffu);
}

static void put_port(const struct taker *taker, unsigned number, unsigned i)
{
    uint16_t port = block_port(number, i);
    if (!range_has(taker->sysctls, port) || (taker->avoid && port_is_in(taker->avoid, port)))
        return;
    view.index[view.count] = (uint8_t)i;
    view.sockets[view.count] = taker->wanted;
    view.sockets[view.count++].id.local_port = htons(port);
}

static void put_ports(const struct taker *taker, unsigned number)
{
    view.count = 0;
    for (unsigned i = 0; i < BLOCK_PORTS; i++)
        put_port(taker, number, i);
}

static bool is_entry(const struct taker *taker, const struct diag_socket *socket)
{
    return socket->state == STATE_TIME_WAIT &&
           socket->id.interface == taker->wanted.id.interface;
}

/**
 * Whether no other process can have a lease of the block: no entry is young, and those that
 * are none are what they were a while ago. Brings *block up to date.
 */
static bool is_quiet(const struct taker *taker, struct block *block, int64_t now_ms)
{
    uint32_t others = 0, youngest = TIME_WAIT_MS;
    for (unsigned i = 0; i < view.count; i++) {
        const struct diag_socket *socket = &view.sockets[i];
        if (!is_entry(taker, socket)) {
            uint32_t h = hash(others ? others : 1, &view.index[i], 1);
            others = hash(h, socket->id.cookie, sizeof(socket->id.cookie)) | 1;
        } else if (block_age(socket) < youngest) {
            youngest = block_age(socket);
        }
    }
    if (others != block->others) {
        block->others = others;
        block->since_ms = now_ms;
    }
    return youngest >= QUIET_MS && (others == 0 || now_ms >= block->since_ms + QUIET_MS);
}

static bool may_take(const struct taker *taker, const struct block *block, unsigned i)
{
    const struct diag_socket *socket = &view.sockets[i];
    return is_entry(taker, socket) && socket->expires_ms >= LEAST_LEFT_MS &&
           block_age(socket) >= taker->age && block_age(socket) < taker->below &&
           !(block->refused >> view.index[i] & 1);
}

/** Which entries can be had, the oldest last: those for a lease, or those to be taken alone. */
static unsigned choose(const struct taker *taker, const struct block *block, bool leasable,
                       uint8_t chosen[BLOCK_PORTS])
{
    unsigned count = 0;
    for (unsigned i = 0; i < view.count; i++) {
        uint32_t age = block_age(&view.sockets[i]);
        if (!may_take(taker, block, i) || (age >= QUIET_MS) != leasable)
            continue;
        unsigned at = count++;
        for (; at > 0 && block_age(&view.sockets[chosen[at - 1]]) >= age; at--)
            chosen[at] = chosen[at - 1];
        chosen[at] = (uint8_t)i;
    }
    return count;
}

/** To the wildcard address: the source address is for connect() to choose, as without us. */
static bool bind_port(const struct taker *taker, uint16_t port)
{
    union address any = {.any.sa_family = taker->family};
    any.in.sin_port = htons(port); /* at the same place in both families */
    size_t size = taker->family == AF_INET6 ? sizeof(any.in6) : sizeof(any.in);
    return raw_call(SYS_bind, taker->fd, &any, size) == 0;
}

void lease_reserve(int fd)
{
    static const int off = 0;
    raw_call(SYS_setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off));
}

static struct lease_entry entry_of(const struct diag_socket *socket)
{
    return (struct lease_entry){ntohs(socket->id.local_port), diag_cookie(socket)};
}

/** Binds the port of one that was seen. */
static enum took touch(const struct taker *taker, struct block *block, unsigned i,
                       struct lease_entry *entry, int64_t now_ms)
{
    *entry = entry_of(&view.sockets[i]);
    if (bind_port(taker, entry->port)) {
        lease_reserve(taker->fd);
        return TOOK;
    }
    if (errno != EADDRINUSE)
        return TOOK_FIXED;
    block->refused |= (uint16_t)(1u << view.index[i]);
    block->refused_ms = now_ms;
    return TOOK_LATER;
}

static void forget_refused(struct block *block, int64_t now_ms)
{
    if (block->refused && now_ms >= block->refused_ms + REFUSED_MS)
        block->refused = 0;
}

static void put_entries(struct lease_entry *entries, const uint8_t *chosen, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        entries[i] = entry_of(&view.sockets[chosen[i]]);
}

static enum took take_seen(const struct taker *taker, unsigned number, struct block *block,
                           struct rest *rest, struct lease_entry *entry, int64_t now)
{
    uint8_t chosen[BLOCK_PORTS];
    int64_t now_ms = now / NS_PER_MS;
    forget_refused(block, now_ms);
    bool quiet = is_quiet(taker, block, now_ms);
    unsigned leased = quiet ? choose(taker, block, true, chosen) : 0;
    unsigned count = leased ? leased : choose(taker, block, false, chosen);
    if (count == 0)
        return TOOK_LATER;
    enum took took = touch(taker, block, chosen[count - 1], entry, now_ms);
    if (took == TOOK && leased) {
        put_entries(rest->lease.entries, chosen, leased - 1);
        rest->lease.until = now + LEASE_NS;
        rest->lease.count = leased - 1;
    } else if (took == TOOK) {
        put_entries(rest->young.entries, chosen, count - 1);
        rest->young.block = number;
        rest->young.count = count - 1;
    }
    return took;
}

enum took lease_take(const struct taker *taker, unsigned number, struct block *block,
                     struct rest *rest, struct lease_entry *entry)
{
    put_ports(taker, number);
    int64_t now = clock_now();
    int lock = diag_open_as(lock_of(taker, number));
    if (lock < 0)
        return errno == EADDRINUSE ? TOOK_LATER : TOOK_BLIND;
    enum took took = TOOK_BLIND;
    if (diag_look(lock, view.sockets, view.count))
        took = take_seen(taker, number, block, rest, entry, now);
    diag_close(lock);
    return took;
}

/** The entry with that cookie, and old enough, but not so old that another may lease it. */
static bool is_still_young(const struct taker *taker, const struct block *block,
                           uint64_t cookie)
{
    return view.count == 1 && diag_cookie(&view.sockets[0]) == cookie &&
           block_age(&view.sockets[0]) < QUIET_MS && may_take(taker, block, 0);
}

enum took lease_take_young(const struct taker *taker, struct blocks *blocks,
                           struct young *young, struct lease_entry *entry)
{
    struct block *block = &blocks->block[young->block];
    if (young->count == 0)
        return TOOK_LATER;
    int lock = diag_open_as(lock_of(taker, young->block));
    if (lock < 0)
        return errno == EADDRINUSE ? TOOK_LATER : TOOK_BLIND;
    enum took took = TOOK_LATER;
    while (took == TOOK_LATER && young->count > 0) {
        const struct lease_entry *next = &young->entries[--young->count];
        view.count = 0;
        put_port(taker, young->block, block_index(next->port));
        if (view.count > 0 && !diag_look(lock, view.sockets, view.count))
            took = TOOK_BLIND;
        else if (is_still_young(taker, block, next->cookie))
            took = touch(taker, block, 0, entry, clock_now() / NS_PER_MS);
    }
    diag_close(lock);
    return took;
}

/** Binds a port where the peer has no socket. Who else looks at the block waits for the lock.
 */
static enum took take_unused(const struct taker *taker, struct block *block,
                             struct lease_entry *entry, int64_t now_ms)
{
    enum took took = TOOK_LATER;
    forget_refused(block, now_ms);
    for (unsigned i = 0; i < view.count && took == TOOK_LATER; i++)
        if (view.sockets[i].state == STATE_CLOSE && !(block->refused >> view.index[i] & 1))
            took = touch(taker, block, i, entry, now_ms);
    return took;
}

enum took lease_take_unused(const struct taker *taker, unsigned number, struct block *block,
                            struct lease_entry *entry)
{
    put_ports(taker, number);
    if (view.count == 0)
        return TOOK_LATER;
    int lock = diag_open_as(lock_of(taker, number));
    if (lock < 0)
        return errno == EADDRINUSE ? TOOK_LATER : TOOK_BLIND;
    enum took took = TOOK_BLIND;
    if (diag_look(lock, view.sockets, view.count))
        took = take_unused(taker, block, entry, clock_now() / NS_PER_MS);
    diag_close(lock);
    return took;
}

enum took lease_pop(const struct taker *taker, struct lease *lease, struct lease_entry *entry)
{
    unsigned count = lease->count;
    if (count > 0 && clock_now() >= lease->until)
        lease->count = count = 0;
    for (; count > 0; count = lease->count) {
        *entry = lease->entries[count - 1];
        if (!atomic_compare_exchange_strong(&lease->count, &count, count - 1))
            continue;
        if (bind_port(taker, entry->port))
            return TOOK;
        if (errno != EADDRINUSE)
            return TOOK_FIXED;
    }
    return TOOK_LATER;
}

bool lease_look(struct diag_socket *socket, uint16_t port)
{
    struct lock_signals before;
    socket->id.local_port = htons(port);
    lock_hold_signals(&before);
    int diag = diag_open();
    bool told = diag >= 0 && diag_look(diag, socket, 1);
    if (diag >= 0)
        diag_close(diag);
    lock_let_signals(&before);
    return told;
}
