#include "launcher/ab/leftovers.h"

#include "kernel/diag.h"
#include "launcher/ab/progress.h"
#include "launcher/child.h"
#include "launcher/memory.h"

#include <errno.h>
#include <stdlib.h>

/** Sockets of certain tuples, collected. */
struct found {
    struct tuples *tuples;
    struct diag_socket *all;
    size_t count, room;
};

static void collect(const struct diag_socket *socket, void *context)
{
    struct found *found = context;
    struct tuple tuple = tuple_of(socket);
    if (tuples_find(found->tuples, &tuple) < 0)
        return;
    found->all = grow(found->all, &found->room, found->count + 1, sizeof(*found->all));
    found->all[found->count++] = *socket;
}

static bool find(int diag, struct tuples *tuples, struct found *found)
{
    *found = (struct found){.tuples = tuples};
    return diag_each(diag, 1u << STATE_TIME_WAIT, collect, found);
}

bool leftovers_count(int diag, struct tuples *tuples, struct time_wait_left *left)
{
    struct found found;
    bool told = find(diag, tuples, &found);
    *left = (struct time_wait_left){.entries = found.count};
    for (size_t i = 0; i < found.count; i++)
        if (found.all[i].expires_ms > left->ms)
            left->ms = found.all[i].expires_ms;
    free(found.all);
    return told;
}

/** Removes all of them. The first refusal is taken to be one for all, now and later. */
static void remove_all(struct leftovers *leftovers)
{
    struct found found;
    find(leftovers->diag, &leftovers->tuples, &found);
    for (size_t i = 0; i < found.count && !leftovers->cannot_remove; i++) {
        int error = diag_destroy(leftovers->diag, &found.all[i]);
        leftovers->cannot_remove = error != 0 && error != ENOENT;
    }
    free(found.all);
}

static bool none_left(struct leftovers *leftovers, struct time_wait_left *left)
{
    if (!leftovers_count(leftovers->diag, &leftovers->tuples, left) || left->entries > 0)
        return false;
    tuples_clear(&leftovers->tuples);
    return true;
}

bool leftovers_clear(struct leftovers *leftovers, const char *run)
{
    struct time_wait_left left = {0};
    if (leftovers->tuples.count == 0)
        return true;
    if (!leftovers->cannot_remove)
        remove_all(leftovers);
    while (!none_left(leftovers, &left)) {
        if (!run || left.entries == 0 || child_interrupted())
            return false;
        progress_update("%s waits for %zu TIME_WAIT entries to go: %u s (or use --no-wait)",
                        run, left.entries, (left.ms + 999) / 1000);
        child_sleep(left.ms < 500 ? (int)left.ms + 10 : 500);
    }
    return true;
}
