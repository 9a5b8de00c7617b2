/* relay's packets under way, the first due at queue[0]. */
#ifndef RELAY_QUEUE_H
#define RELAY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packet {
    int64_t due;     /* us */
    uint64_t number; /* of all, in order of arrival */
    struct side *from, *to;
    bool waits; /* for the other side's FIN or RST, until it is due */
    size_t size;
    unsigned char data[];
};

enum { MAX_QUEUE = 1 << 16 };

static struct packet *queue[MAX_QUEUE]; /* a binary heap: the first due is at 0 */
static size_t queued;

static bool before(const struct packet *a, const struct packet *b)
{
    return a->due != b->due ? a->due < b->due : a->number < b->number;
}

static void swap(size_t a, size_t b)
{
    struct packet *p = queue[a];

    queue[a] = queue[b];
    queue[b] = p;
}

static void push(struct packet *p)
{
    size_t i = queued++;

    queue[i] = p;
    for (; i > 0 && before(queue[i], queue[(i - 1) / 2]); i = (i - 1) / 2)
        swap(i, (i - 1) / 2);
}

static struct packet *pop(void)
{
    struct packet *first = queue[0];
    size_t i = 0, child;

    queue[0] = queue[--queued];
    while ((child = 2 * i + 1) < queued) {
        if (child + 1 < queued && before(queue[child + 1], queue[child]))
            child++;
        if (!before(queue[child], queue[i]))
            break;
        swap(i, child);
        i = child;
    }
    return first;
}

/* What waits for the other side's end is due now. */
static void release(int64_t now)
{
    size_t count = queued;

    queued = 0; /* the heap grows again over what has been read of it */
    for (size_t i = 0; i < count; i++) {
        struct packet *p = queue[i];

        if (p->waits)
            p->due = now;
        p->waits = false;
        push(p);
    }
}

#endif
