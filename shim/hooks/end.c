/*
 * end: the calls that may close the last fd of a connection, and the process's own end.
 *
 * Each proves first that the call is certain to close the fd; a lever pulled for a call that
 * then fails would stay on a living socket.
 */
#include "connection/arming.h"
#include "connection/birth.h"
#include "connection/ending.h"
#include "connection/leaving.h"
#include "connection/share.h"
#include "connection/table.h"
#include "hooks/cleanup.h"
#include "hooks/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio_ext.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_UNSHARE /* linux/close_range.h */
#define CLOSE_RANGE_UNSHARE (1u << 1)
#endif

/**
 * Apart from hook_close(), like close_after_vfork(): that would make room on the stack for both
 * in every call. What was pending of pthread_cancel() acts before anything is done, as in
 * close() itself.
 */
__attribute__((noinline)) static int close_tcp(int fd)
{
    pthread_testcancel();
    struct conn *c = table_find(fd);
    if (c && conn_is(c, CONN_TO_LOOK_AT))
        birth_look(fd, c);
    struct ending ending;
    if (!ending_begin(&ending, fd, (struct ending_way){.via = VIA_CLOSE}))
        return ending.gone ? 0 : next.close(fd);
    CLEANUP_BEGIN(ending_left, &ending);
    int r = next.close(fd);
    CLEANUP_END();
    ending_finish(&ending, true); /* also on EINTR: Linux has closed it (close(2)) */
    return r;
}

/** Behind an fd that is known to be no TCP socket: in the child of a vfork(), perhaps. */
__attribute__((noinline)) static int close_after_vfork(int fd)
{
    if (process_is_ours())
        table_remove(fd, TABLE_NO_TCP);
    return next.close(fd);
}

int hook_close(int fd)
{
    if ((unsigned)fd >= TABLE_FDS)
        return next.close(fd);
    table_slot *slot = table_slot_at(fd);
    struct conn *c = atomic_load_explicit(slot, memory_order_acquire);
    if (__builtin_expect(!c, 1))
        return next.close(fd);
    if (table_is_conn(c))
        return close_tcp(fd);
    if (__builtin_expect(process_maybe_vforked, 0))
        return close_after_vfork(fd);
    atomic_compare_exchange_strong(slot, &c, NULL); /* a file, perhaps, will get the fd next */
    return next.close(fd);
}

/** dup2() and dup3() close `new` where `old` is open, `new` can be, and both are not the same.
 */
static bool replaces(int old, int new, int flags)
{
    if (old == new || new < 0 || (flags & ~O_CLOEXEC))
        return false;
    int saved = errno;
    bool valid = (unsigned)new < process_limit(RLIMIT_NOFILE) && next.fcntl(old, F_GETFD) >= 0;
    errno = saved;
    return valid;
}

/** What dup2() and dup3() have in common. */
static int duplicate(int old, int new, int flags, bool three)
{
    share_copying(old);
    struct ending ending;
    bool matters = ending_matters(new) && process_is_ours();
    bool sealed = matters && process_is_sealed();
    bool ends = matters && !sealed && replaces(old, new, flags) &&
                !share_same_socket(old, new) &&
                ending_begin(&ending, new, (struct ending_way){.via = VIA_DUP2});
    int r = three ? next.dup3(old, new, flags) : next.dup2(old, new);
    if (ends)
        ending_finish(&ending, r >= 0);
    if (sealed && r >= 0 && old != new) /* counted, now that it is certain without asking */
        (void)ending_begin(&ending, new, (struct ending_way){.via = VIA_DUP2});
    if (r >= 0 && old != new)
        share_copied(old, new);
    return r;
}

int hook_dup2(int old, int new)
{
    return duplicate(old, new, 0, false);
}

int hook_dup3(int old, int new, int flags)
{
    return duplicate(old, new, flags, true);
}

/** Waits for the connections among first..last as their policies want it, one after another.
 */
static void wait_for_connections(unsigned first, unsigned last)
{
    for (int fd = table_next(first, last); fd >= 0; fd = table_next((unsigned)fd + 1, last))
        ending_wait(fd);
}

/**
 * Pulls the levers of the connections among first..last for the real call, which closes them
 * all. (Not one by one here: what another thread opens meanwhile would be closed, too.) The
 * caller holds.
 */
static bool end_connections(unsigned first, unsigned last, bool may_wait)
{
    struct ending_way way = {.via = VIA_CLOSE_RANGE, .may_wait = may_wait, .waited = true};
    bool any_rst = false;
    for (int fd = table_next(first, last); fd >= 0; fd = table_next((unsigned)fd + 1, last)) {
        struct ending ending;
        if (!ending_begin(&ending, fd, way))
            continue;
        any_rst |= ending.held;
        ending_finish(&ending, true);
    }
    return any_rst;
}

static bool any_lingers(unsigned first, unsigned last)
{
    for (int fd = table_next(first, last); fd >= 0; fd = table_next((unsigned)fd + 1, last)) {
        struct conn *c = table_find(fd);
        if (c && arming_may_linger(fd, c))
            return true;
    }
    return false;
}

/**
 * Returns whether it holds, for the real call. Not where no connection is reset, and none is
 * beside one whose close lingers, which waits and must take signals.
 */
static bool hold_and_end(struct process_hold *hold, unsigned first, unsigned last)
{
    if (process_is_sealed()) /* while the policy waited: only counts */
        return end_connections(first, last, false);
    bool lingers = any_lingers(first, last);
    process_hold(hold);
    bool any_rst = end_connections(first, last, lingers);
    if (!any_rst)
        process_let_go(hold);
    return any_rst;
}

/**
 * Whether close_range() with these flags closes before it returns, and no other thread keeps
 * the fds. (With another process that was given our table of fds, clone(CLONE_FILES), they are
 * shared already.)
 */
static bool closes_now(int flags)
{
    return flags == 0 || (flags == CLOSE_RANGE_UNSHARE && process_is_one_thread());
}

int hook_close_range(unsigned first, unsigned last, int flags)
{
    int saved = errno;
    struct process_hold hold;
    /* The empty range at the end says whether this kernel has the call at all. */
    bool certain = closes_now(flags) && first <= last && process_may_act() &&
                   table_next(first, last) >= 0 && next.close_range(~0u, ~0u, 0) == 0;
    if (certain)
        wait_for_connections(first, last);
    if (((unsigned)flags & CLOSE_RANGE_UNSHARE) && !certain)
        process_parts_from_fds(); /* other threads keep what this one parts from */
    bool held = certain && hold_and_end(&hold, first, last);
    errno = saved;
    int r = next.close_range(first, last, flags);
    if (held)
        process_let_go(&hold);
    return r;
}

void hook_closefrom(int first)
{
    unsigned from = first < 0 ? 0 : (unsigned)first;
    int saved = errno;
    struct process_hold hold;
    bool any = process_may_act() && table_next(from, ~0u) >= 0;
    if (any)
        wait_for_connections(from, ~0u);
    bool held = any && hold_and_end(&hold, from, ~0u);
    errno = saved;
    next.closefrom(first);
    if (held)
        process_let_go(&hold);
}

#ifdef OLDER_STDIO
/** The stream may hold output. */
static const struct ending_way unsure = {.via = VIA_FCLOSE, .stdio_output = true};
#endif

/** Another thread uses the stream: fclose() waits for it, which must not be while we hold. */
static bool is_locked(FILE *stream)
{
    if (process_is_one_thread())
        return false;
    if (ftrylockfile(stream) != 0)
        return true;
    funlockfile(stream);
    return false;
}

/** The fd of a connection that the stream is over; -1: there is none (fmemopen(), a file...).
 */
static inline int connection_of(FILE *stream)
{
    int *error = &errno, saved = *error;
    int fd = stream ? fileno(stream) : -1;
    *error = saved;
    return fd >= 0 && table_find(fd) ? fd : -1;
}

__attribute__((noinline)) static int fclose_tcp(FILE *stream, int fd)
{
    struct ending ending;
    struct ending_way way = {.via = VIA_FCLOSE,
                             .may_wait = is_locked(stream),
                             .stdio_output = __fpending(stream) > 0};
    if (!ending_begin(&ending, fd, way))
        return next.fclose(stream);
    CLEANUP_BEGIN(ending_left, &ending);
    int r = next.fclose(stream);
    CLEANUP_END();
    ending_finish(&ending, true);
    return r;
}

/** Of a stream over no fd, or over one beyond the first page of the table. */
__attribute__((noinline)) static int fclose_rare(FILE *stream, int fd, int saved)
{
    errno = saved;
    return fd >= 0 && table_find(fd) ? fclose_tcp(stream, fd) : next.fclose(stream);
}

int hook_fclose(FILE *stream)
{
    int saved = errno;
    int fd = fileno(stream);
    if (__builtin_expect((unsigned)fd >= TABLE_PAGE_FDS, 0))
        return fclose_rare(stream, fd, saved);
    return table_find(fd) ? fclose_tcp(stream, fd) : next.fclose(stream);
}

#ifdef OLDER_STDIO
/* __fpending() reads what the FILE of then does not have: it may hold output. */
int hook_older_fclose(FILE *stream)
{
    struct ending ending;
    int fd = connection_of(stream);
    bool ends = fd >= 0 && ending_begin(&ending, fd, unsure);
    int r = next.older_fclose(stream);
    if (ends)
        ending_finish(&ending, true);
    return r;
}

EXPORT_OLDER(fclose, fclose, OLDER_STDIO)
EXPORT_OLDER(fclose, _IO_fclose, OLDER_STDIO)
#endif

/* Without a path, musl changes the mode of the fd that there is: glibc closes it. */
/* It may wait where it opens the path, so it pulls no lever that nobody may copy meanwhile. */
#define FREOPEN(name)                                                                          \
    FILE *hook_##name(const char *path, const char *mode, FILE *stream)                        \
    {                                                                                          \
        struct ending ending;                                                                  \
        int fd = path ? connection_of(stream) : -1;                                            \
        struct ending_way way = {.via = VIA_FCLOSE,                                            \
                                 .may_wait = true,                                             \
                                 .stdio_output = fd >= 0 && __fpending(stream) > 0};           \
        bool ends = fd >= 0 && ending_begin(&ending, fd, way);                                 \
        FILE *r = next.name(path, mode, stream);                                               \
        if (ends)                                                                              \
            ending_finish(&ending, true);                                                      \
        return r;                                                                              \
    }

FREOPEN(freopen)
FREOPEN(freopen64)

/** Reports what is left open; exit() and quick_exit() do so by their handlers (start.c). */
void hook__exit(int status)
{
    leaving_at_exit();
    next._exit(status);
    __builtin_unreachable();
}
