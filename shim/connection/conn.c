#include "connection/conn.h"

#include "kernel/facts.h"
#include "kernel/pages.h"
#include "kernel/process.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

/* Connections live in chunks, mapped when they are first needed. */
#define CHUNK_CONNS 512u
#define CHUNKS      4096u
_Static_assert(CHUNK_CONNS * sizeof(struct conn) % 4096 == 0 || sizeof(long) == 4,
               "whole pages: no memory is left over");

static struct conn *_Atomic chunks[CHUNKS];
static _Atomic uint32_t used; /* indexes below were handed out at least once */

/* The free list: index + 1 of its head, and a tag against ABA in the upper half. */
static _Atomic uint64_t free_head;

static struct conn *conn_at(uint32_t index)
{
    struct conn *chunk = atomic_load(&chunks[index / CHUNK_CONNS]);
    return chunk + index % CHUNK_CONNS;
}

/** Maps the chunk of `index` unless it is; false without memory. */
static bool map_chunk(uint32_t index)
{
    struct conn *_Atomic *slot = &chunks[index / CHUNK_CONNS];
    if (atomic_load(slot))
        return true;
    if (process_is_sealed())
        return false;
    size_t size = CHUNK_CONNS * sizeof(struct conn);
    void *memory = pages_map(size);
    struct conn *expected = NULL;
    if (memory && !atomic_compare_exchange_strong(slot, &expected, memory))
        munmap(memory, size);
    return memory != NULL;
}

static struct conn *pop_free(void)
{
    uint64_t head = atomic_load(&free_head);
    for (;;) {
        uint32_t index_1 = (uint32_t)head;
        if (index_1 == 0)
            return NULL;
        struct conn *c = conn_at(index_1 - 1);
        uint64_t tag = (head >> 32) + 1;
        if (atomic_compare_exchange_weak(&free_head, &head,
                                         tag << 32 | atomic_load(&c->next_free)))
            return c;
    }
}

/** A connection that was never used before. */
static struct conn *first_use(void)
{
    uint32_t index = atomic_load(&used);
    do {
        if (index >= CHUNKS * CHUNK_CONNS || !map_chunk(index))
            return NULL;
    } while (!atomic_compare_exchange_weak(&used, &index, index + 1));
    struct conn *c = conn_at(index);
    c->index = index;
    return c;
}

struct conn *conn_new(uint32_t epoch)
{
    struct conn *c = pop_free();
    if (!c)
        c = first_use();
    if (!c)
        return NULL;
    uint32_t generation = atomic_fetch_add(&c->generation, CONN_OP_MASK + 1) + CONN_OP_MASK + 1;
    conn_note(c, generation, LAST_NONE);
    atomic_store(&c->flags, 0);
    c->epoch = epoch;
    c->cookie = 0;
    c->read = c->written = 0;
    c->connect_ns = -1;
    c->local.any.sa_family = AF_UNSPEC;
    c->peer.any.sa_family = AF_UNSPEC;
    atomic_store(&c->refs, 1);
    return c;
}

bool conn_get(struct conn *c)
{
    uint32_t refs = atomic_load(&c->refs);
    while (refs > 0)
        if (atomic_compare_exchange_weak(&c->refs, &refs, refs + 1))
            return true;
    return false;
}

bool conn_put(struct conn *c)
{
    return atomic_fetch_sub(&c->refs, 1) == 1;
}

void conn_free(struct conn *c)
{
    uint64_t head = atomic_load(&free_head);
    uint64_t tag;
    do {
        atomic_store(&c->next_free, (uint32_t)head);
        tag = (head >> 32) + 1;
    } while (!atomic_compare_exchange_weak(&free_head, &head, tag << 32 | (c->index + 1)));
}

enum last_op conn_last(struct conn *c)
{
    uint32_t last = atomic_load(&c->last);
    if ((last & ~CONN_OP_MASK) != conn_generation(c))
        return LAST_UNKNOWN;
    return (enum last_op)(last & CONN_OP_MASK);
}

bool conn_is_sole(struct conn *c)
{
    if (process_is_copying()) /* before the epoch: see process_copied() */
        return false;
    return c->epoch == process_epoch() && !conn_is(c, CONN_SHARED);
}

bool conn_is_behind(struct conn *c, int fd)
{
    uint64_t cookie = atomic_load(&c->cookie);
    if (cookie != 0)
        return facts_cookie(fd) == cookie;
    return conn_is(c, CONN_ARMED) && facts_linger2(fd) < 0; /* nobody else sets -1 */
}

bool conn_may_be_behind(struct conn *c, int fd)
{
    bool told = atomic_load(&c->cookie) != 0 || conn_is(c, CONN_ARMED);
    return !told || conn_is_behind(c, fd);
}

bool conn_begins_anew(struct conn *c, int fd, bool done, const union address *peer)
{
    union address actual = *peer;
    if (!conn_is(c, CONN_BORN) || !conn_is(c, CONN_CLIENT) || address_is_same(peer, &c->peer) ||
        !process_may_act())
        return false;
    if (done)
        facts_peer(fd, &actual);
    return !address_is_same(&actual, &c->peer);
}
