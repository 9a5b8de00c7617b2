/*
 * table: which connection is behind which fd.
 *
 * Owns: the slots, one per fd, in pages that are mapped when first needed. Says nothing about
 * the kernel's view: an entry may be stale where an fd was closed behind our back, which
 * SO_COOKIE tells (facts.h). fds of TABLE_FDS and above are not recorded.
 * No locks, no malloc: async-signal-safe.
 */
#ifndef TABLE_H
#define TABLE_H

#include "connection/conn.h"

#define TABLE_PAGE_FDS 65536u
#define TABLE_PAGES    16u
#define TABLE_FDS      (TABLE_PAGE_FDS * TABLE_PAGES)

typedef struct conn *_Atomic table_slot;

/** Never NULL: a page that was not needed yet is one that is always empty. */
extern table_slot *_Atomic table_pages[TABLE_PAGES] __attribute__((visibility("hidden")));

/** fds below have their last operation noted: TABLE_FDS, or 0 where nothing asks for it. */
extern unsigned table_noted_fds __attribute__((visibility("hidden")));

/** What the slot of an fd holds that is known to be no TCP socket. NULL: nothing is known. */
#define TABLE_NO_TCP ((struct conn *)1)

/** The slot of fd, which is below TABLE_FDS; only to look at, while it is empty. */
static inline table_slot *table_slot_at(int fd)
{
    table_slot *page =
        atomic_load_explicit(&table_pages[(unsigned)fd / TABLE_PAGE_FDS], memory_order_acquire);
    return &page[(unsigned)fd % TABLE_PAGE_FDS];
}

/** table_peek() of an fd beyond the first page. */
struct conn *table_peek_far(int fd);

/** The slot's content as it is: NULL, TABLE_NO_TCP or a connection. Does no harm on any fd. */
static inline struct conn *table_peek(int fd)
{
    if (__builtin_expect((unsigned)fd >= TABLE_PAGE_FDS, 0))
        return table_peek_far(fd);
    table_slot *page = atomic_load_explicit(&table_pages[0], memory_order_acquire);
    return atomic_load_explicit(&page[fd], memory_order_acquire);
}

static inline bool table_is_conn(struct conn *c)
{
    return (uintptr_t)c > (uintptr_t)TABLE_NO_TCP;
}

/** The connection behind fd, or NULL; may be recycled while one looks (conn.h). */
static inline struct conn *table_find(int fd)
{
    struct conn *c = table_peek(fd);
    return table_is_conn(c) ? c : NULL;
}

/** The same, for the calls that only note their connection's last operation. */
static inline struct conn *table_find_noted(int fd)
{
    if ((unsigned)fd >= table_noted_fds)
        return NULL;
    struct conn *c = atomic_load_explicit(table_slot_at(fd), memory_order_acquire);
    return table_is_conn(c) ? c : NULL;
}

/**
 * Puts c, whose reference goes with it, TABLE_NO_TCP or NULL behind fd; what was there is put
 * back. Returns whether fd can be recorded; if not, c is freed.
 */
bool table_set(int fd, struct conn *c);

/** Empties the slot of fd if c, which was seen there, still is: true for one caller only, who
 * gets its reference. */
static inline bool table_remove(int fd, struct conn *c)
{
    return atomic_compare_exchange_strong(table_slot_at(fd), &c, NULL);
}

/**
 * Claims c, which was seen behind fd in this generation: until table_release() no other caller
 * gets it and nobody uses its memory for another connection. NULL where fd leads elsewhere by
 * now, or while another thread, or what this signal handler interrupted, has claimed it.
 * In a child forked at that moment it stays claimed; what was armed still acts there.
 */
struct conn *table_claim(int fd, struct conn *c, uint32_t generation);

void table_release(struct conn *c);

/** fd `to` now leads where `from` does: one more reference. */
void table_copy(int from, int to);

/** The first fd from `fd` to `last` that leads to a connection, or -1. */
int table_next(unsigned fd, unsigned last);

#endif
