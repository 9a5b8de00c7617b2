#include "kernel/cookies.h"

#include <errno.h>

#define FOUND   1024 /* entries at a time */
#define CLOSING (1u << STATE_FIN_WAIT1 | 1u << STATE_FIN_WAIT2 | 1u << STATE_CLOSING)

static _Atomic uint64_t *place(struct entries *entries, uint64_t cookie)
{
    return &entries->cookies[cookie % ENTRIES_COOKIES];
}

void entries_note(struct entries *entries, uint64_t cookie)
{
    atomic_store_explicit(place(entries, cookie), cookie, memory_order_relaxed);
}

void entries_forget(struct entries *entries, uint64_t cookie)
{
    uint64_t expected = cookie;
    atomic_compare_exchange_strong(place(entries, cookie), &expected, 0);
}

bool entries_has(struct entries *entries, uint64_t cookie)
{
    return cookie != 0 &&
           atomic_load_explicit(place(entries, cookie), memory_order_relaxed) == cookie;
}

/** What a dump finds; of the one pass. */
static struct found {
    struct entries *entries;
    struct diag_socket waiting[FOUND]; /* in TIME_WAIT */
    size_t count;                      /* of these, no more than there is room for */
    size_t closing;
} found;

static void collect(const struct diag_socket *socket, void *unused)
{
    (void)unused;
    if (!entries_has(found.entries, diag_cookie(socket)))
        return;
    if (socket->state != STATE_TIME_WAIT)
        found.closing++;
    else if (found.count < FOUND)
        found.waiting[found.count++] = *socket;
}

static void destroy(int diag, const struct diag_socket *socket, struct pass *pass)
{
    int error = diag_destroy(diag, socket);
    if (error == 0)
        pass->removed++;
    else if (error != ENOENT && pass->error == 0)
        pass->error = error;
}

struct pass entries_pass(struct entries *entries, int diag)
{
    struct pass pass = {0};
    size_t before;
    do {
        before = pass.removed;
        found.entries = entries;
        found.count = found.closing = 0;
        if (!diag_each(diag, 1u << STATE_TIME_WAIT | CLOSING, collect, NULL))
            break;
        for (size_t i = 0; i < found.count && pass.error == 0; i++)
            destroy(diag, &found.waiting[i], &pass);
    } while (found.count == FOUND && pass.error == 0 && pass.removed > before);
    pass.closing = found.closing;
    return pass;
}

struct pass entries_remove(int diag, struct diag_socket *socket)
{
    struct pass pass = {0};
    if (diag_find(diag, socket) && socket->state == STATE_TIME_WAIT)
        destroy(diag, socket, &pass);
    return pass;
}
