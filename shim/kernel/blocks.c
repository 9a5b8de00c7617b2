#include "kernel/blocks.h"

#include <arpa/inet.h>
#include <string.h>

uint32_t block_age(const struct diag_socket *entry)
{
    return entry->expires_ms < TIME_WAIT_MS ? TIME_WAIT_MS - entry->expires_ms : 0;
}

bool block_is_from(const struct diag_socket *socket, const struct diag_socket *wanted)
{
    bool mapped = socket->family == AF_INET6 && wanted->family == AF_INET;
    size_t size = wanted->family == AF_INET ? 4 : 16;
    return memcmp(socket->id.local + (mapped ? 3 : 0), wanted->id.local, size) == 0;
}

/* A dump as it comes in. One thread at a time, as with diag's buffer. */
static struct dump {
    const struct diag_socket *wanted;
    const struct sysctls *sysctls;
    uint32_t youngest[BLOCKS]; /* its age + 1; 0: no entry */
    uint8_t has[BLOCKS];       /* entries */
    uint32_t keys[BLOCKS];     /* age and number, to be sorted */
    unsigned entries;
} dump;

#define NUMBER_BITS 12 /* of BLOCKS */

/* A look at a block costs the same whatever it has, and the first look at one with free ports
 * tells nothing (lease.c). Where blocks with so many entries have most of all entries, the
 * others are left alone. */
#define DENSE (BLOCK_PORTS / 2)

static void note(const struct diag_socket *entry, void *unused)
{
    (void)unused;
    uint16_t port = ntohs(entry->id.local_port);
    if (!range_has(dump.sysctls, port) || !block_is_from(entry, dump.wanted) ||
        entry->id.interface != dump.wanted->id.interface)
        return;
    unsigned block = (port / (2u * BLOCK_PORTS)) << 1 | (port & 1);
    dump.entries++;
    dump.has[block]++;
    uint32_t *youngest = &dump.youngest[block];
    uint32_t age = block_age(entry) + 1;
    if (*youngest == 0 || age < *youngest)
        *youngest = age;
}

/** Shell's, the greatest first: qsort() may allocate. */
static void sort(uint32_t *keys, unsigned count)
{
    for (unsigned gap = count / 2; gap > 0; gap = gap > 2 ? gap * 5 / 11 : gap / 2)
        for (unsigned i = gap; i < count; i++) {
            uint32_t key = keys[i];
            unsigned j = i;
            for (; j >= gap && keys[j - gap] < key; j -= gap)
                keys[j] = keys[j - gap];
            keys[j] = key;
        }
}

static bool see(int diag, uint8_t family)
{
    return diag_each_to(diag, dump.wanted, family, 1u << STATE_TIME_WAIT, note, NULL);
}

/** From so many entries on a block is worth a look. */
static unsigned least_entries(void)
{
    unsigned in_dense = 0;
    for (unsigned block = 0; block < BLOCKS; block++)
        in_dense += dump.has[block] >= DENSE ? dump.has[block] : 0;
    return in_dense > dump.entries / 2 ? DENSE : 1;
}

/** How many blocks are worth a look, whose keys are then in order. */
static unsigned order_seen(void)
{
    unsigned count = 0, least = least_entries();
    for (unsigned block = 0; block < BLOCKS; block++)
        if (dump.has[block] >= least)
            dump.keys[count++] = dump.youngest[block] << NUMBER_BITS | block;
    sort(dump.keys, count);
    return count;
}

bool blocks_fill(struct blocks *blocks, int diag, const struct blocks_wanted *wanted,
                 int64_t now_ms)
{
    memset(dump.youngest, 0, sizeof(dump.youngest));
    memset(dump.has, 0, sizeof(dump.has));
    dump.entries = 0;
    dump.wanted = wanted->socket;
    dump.sysctls = wanted->sysctls;
    if (!see(diag, wanted->family))
        return false;
    unsigned count = order_seen();
    if (wanted->socket->family == AF_INET && (wanted->both || count == 0)) {
        if (!see(diag, wanted->family == AF_INET ? AF_INET6 : AF_INET))
            return false;
        count = order_seen();
    }
    blocks->taken.count = blocks->others.count = 0;
    blocks->entries = dump.entries;
    for (unsigned i = 0; i < count; i++) {
        uint32_t youngest = (dump.keys[i] >> NUMBER_BITS) - 1;
        uint32_t wait = youngest < wanted->age ? wanted->age - youngest : 0;
        unsigned block = dump.keys[i] % BLOCKS;
        blocks_put(blocks, block, now_ms + wait, blocks->block[block].taken);
    }
    return true;
}

/** When the first one is ready. */
static int64_t first_ready(const struct blocks *blocks, const struct ring *ring)
{
    return ring->count > 0 ? blocks->block[ring->order[ring->head]].ready_ms : INT64_MAX;
}

static unsigned pop(struct ring *ring)
{
    unsigned block = ring->order[ring->head];
    ring->head = (ring->head + 1) % BLOCKS;
    ring->count--;
    return block;
}

static void push(struct ring *ring, unsigned block)
{
    ring->order[(ring->head + ring->count++) % BLOCKS] = (uint16_t)block;
}

int blocks_next(struct blocks *blocks, int64_t now_ms, bool any)
{
    int64_t taken = first_ready(blocks, &blocks->taken);
    int64_t other = first_ready(blocks, &blocks->others);
    bool settled = taken <= now_ms - SETTLED_MS;
    if (blocks_count(blocks) == 0 || (!any && taken > now_ms && other > now_ms))
        return -1;
    return (int)pop(settled || taken < other ? &blocks->taken : &blocks->others);
}

void blocks_put(struct blocks *blocks, unsigned block, int64_t ready_ms, bool taken)
{
    blocks->block[block].ready_ms = ready_ms;
    blocks->block[block].taken = taken;
    push(taken ? &blocks->taken : &blocks->others, block);
}

void blocks_rotate(struct blocks *blocks, uint32_t seed)
{
    struct ring *others = &blocks->others;
    for (unsigned steps = seed % (others->count / 4 + 1); steps > 0; steps--)
        push(others, pop(others));
}

_Static_assert(BLOCKS <= 1 << NUMBER_BITS && TIME_WAIT_MS < 1 << (32 - NUMBER_BITS), "keys");
