#include "connection/table.h"

#include "kernel/pages.h"
#include "kernel/process.h"

#include <stddef.h>
#include <sys/mman.h>

/* Never written: memory that is only read is the kernel's zero page. */
static table_slot empty[TABLE_PAGE_FDS];

table_slot *_Atomic table_pages[TABLE_PAGES] = {[0 ... TABLE_PAGES - 1] = empty};
unsigned table_noted_fds;

static _Atomic unsigned used; /* fds from here on were never recorded */

/** Maps the page of fd unless it is; false without memory. */
static bool map_page(int fd)
{
    table_slot *_Atomic *page = &table_pages[(unsigned)fd / TABLE_PAGE_FDS];
    if (atomic_load(page) != empty)
        return true;
    if (process_is_sealed())
        return false;
    size_t size = TABLE_PAGE_FDS * sizeof(table_slot);
    void *memory = pages_map(size);
    table_slot *expected = empty;
    if (memory && !atomic_compare_exchange_strong(page, &expected, memory))
        munmap(memory, size);
    return memory != NULL;
}

/** The slot of fd, to write to; NULL where there can be none. */
static table_slot *slot_of(int fd)
{
    if ((unsigned)fd >= TABLE_FDS || !map_page(fd))
        return NULL;
    unsigned seen = atomic_load(&used);
    while (seen <= (unsigned)fd &&
           !atomic_compare_exchange_weak(&used, &seen, (unsigned)fd + 1))
        ;
    return table_slot_at(fd);
}

static void drop(struct conn *c)
{
    if (table_is_conn(c) && conn_put(c))
        conn_free(c);
}

bool table_set(int fd, struct conn *c)
{
    if (!table_is_conn(c) && table_peek(fd) == c)
        return true;
    table_slot *slot = slot_of(fd);
    if (!slot) {
        drop(c);
        return false;
    }
    /* (gcc 12 for S/390 loses c where the old value takes its place:
     * that was `drop(slot ? atomic_exchange(slot, c) : c)`.) */
    struct conn *before = atomic_exchange(slot, c);
    drop(before);
    return true;
}

/** What the slot of fd holds, a connection with one more reference. */
static struct conn *get(int fd)
{
    struct conn *c = table_peek(fd);
    if (!table_is_conn(c))
        return c;
    if (!conn_get(c))
        return NULL;
    if (table_peek(fd) == c)
        return c;
    drop(c); /* it was recycled before we got it, perhaps */
    return NULL;
}

struct conn *table_peek_far(int fd)
{
    if ((unsigned)fd >= TABLE_FDS)
        return NULL;
    return atomic_load_explicit(table_slot_at(fd), memory_order_acquire);
}

void table_copy(int from, int to)
{
    table_set(to, get(from));
}

struct conn *table_claim(int fd, struct conn *c, uint32_t generation)
{
    struct conn *now = get(fd);
    bool same = table_is_conn(now) && now == c && conn_generation(c) == generation;
    if (same && !(atomic_fetch_or(&c->flags, CONN_CLAIMED) & CONN_CLAIMED))
        return c;
    drop(now);
    return NULL;
}

void table_release(struct conn *c)
{
    conn_unmark(c, CONN_CLAIMED);
    drop(c);
}

int table_next(unsigned fd, unsigned last)
{
    unsigned end = atomic_load(&used);
    for (; fd < end && fd <= last; fd++) {
        if (atomic_load(&table_pages[fd / TABLE_PAGE_FDS]) == empty)
            fd |= TABLE_PAGE_FDS - 1; /* to the next page */
        else if (table_find((int)fd))
            return (int)fd;
    }
    return -1;
}
