#include "table.h"

#include <stddef.h>
#include <sys/mman.h>

table_slot *_Atomic table_pages[TABLE_PAGES];

/** The slot of fd, its page mapped if needed; NULL where there can be none. */
static table_slot *slot_of(int fd)
{
    if ((unsigned)fd >= TABLE_FDS)
        return NULL;
    table_slot *_Atomic *page = &table_pages[(unsigned)fd / TABLE_PAGE_FDS];
    if (!atomic_load(page)) {
        size_t size = TABLE_PAGE_FDS * sizeof(table_slot);
        void *memory =
            mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            return NULL;
        table_slot *expected = NULL;
        if (!atomic_compare_exchange_strong(page, &expected, memory))
            munmap(memory, size);
    }
    return atomic_load(page) + (unsigned)fd % TABLE_PAGE_FDS;
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
    drop(slot ? atomic_exchange(slot, c) : c);
    return slot != NULL;
}

bool table_take(int fd, struct conn *c)
{
    table_slot *slot = slot_of(fd);
    return slot && atomic_compare_exchange_strong(slot, &c, NULL);
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

void table_copy(int from, int to)
{
    table_set(to, get(from));
}

struct conn *table_claim(int fd)
{
    struct conn *c = get(fd);
    if (!table_is_conn(c))
        return NULL;
    if (!(atomic_fetch_or(&c->flags, CONN_CLAIMED) & CONN_CLAIMED))
        return c;
    drop(c);
    return NULL;
}

struct conn *table_claim_again(int fd, struct conn *c, uint32_t generation)
{
    struct conn *now = table_claim(fd);
    if (!now || (now == c && conn_generation(c) == generation))
        return now;
    table_release(now);
    return NULL;
}

void table_release(struct conn *c)
{
    conn_unmark(c, CONN_CLAIMED);
    drop(c);
}

int table_next(unsigned fd, unsigned last)
{
    if (last >= TABLE_FDS)
        last = TABLE_FDS - 1;
    while (fd <= last) {
        if (!atomic_load(&table_pages[fd / TABLE_PAGE_FDS]))
            fd = (fd / TABLE_PAGE_FDS + 1) * TABLE_PAGE_FDS;
        else if (table_find((int)fd))
            return (int)fd;
        else
            fd++;
    }
    return -1;
}
