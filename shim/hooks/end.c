/*
 * hooks_end: the calls that may close the last fd of a connection, and the process's own end.
 *
 * Each proves first that the call is certain to close the fd; a lever pulled for a call that
 * then fails would stay on a living socket.
 */
#include "connection/ending.h"
#include "connection/owed.h"
#include "connection/share.h"
#include "connection/table.h"
#include "kernel/libc.h"
#include "kernel/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio_ext.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_UNSHARE /* linux/close_range.h */
#define CLOSE_RANGE_UNSHARE (1u << 1)
#endif

/** Apart from hook_close(), which would make room on the stack for it in every call. */
__attribute__((noinline)) static int close_tcp(int fd)
{
    pthread_testcancel(); /* as close() would; once a lever is pulled, it may not */
    struct owed_close owed = owed_closing(fd);
    struct ending ending;
    bool ends = ending_begin(&ending, fd, VIA_CLOSE, false);
    int r = next.close(fd);
    if (ends)
        ending_finish(&ending, true); /* also on EINTR: Linux has closed it (close(2)) */
    owed_closed(&owed);
    return r;
}

int hook_close(int fd)
{
    struct conn *c = table_peek(fd);
    if (table_is_conn(c))
        return close_tcp(fd);
    if (c)
        table_take(fd, c);
    return next.close(fd);
}

/** dup2() and dup3() close `new` where `old` is open, `new` can be, and both are not the same.
 */
static bool replaces(int old, int new, int flags)
{
    if (old == new || new < 0 || (flags & ~O_CLOEXEC))
        return false;
    int saved = errno;
    bool valid = new < sysconf(_SC_OPEN_MAX) && next.fcntl(old, F_GETFD) >= 0;
    errno = saved;
    return valid;
}

/** What dup2() and dup3() share: `duplicate` is called in between. */
static int duplicate(int old, int new, int flags, bool three)
{
    owed_using(old);
    struct ending ending;
    bool ends = ending_matters(new) && replaces(old, new, flags) &&
                !share_same_socket(old, new) && ending_begin(&ending, new, VIA_DUP2, false);
    int r = three ? next.dup3(old, new, flags) : next.dup2(old, new);
    if (ends)
        ending_finish(&ending, r >= 0);
    if (r >= 0 && old != new)
        share_copied(old, new);
    owed_used(old);
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

/**
 * Prepares the connections among first..last, one after another, for the real call, which
 * closes them all. (Not one by one here: what another thread opens meanwhile would be closed,
 * too.)
 */
static void end_connections(unsigned first, unsigned last)
{
    for (int fd = table_next(first, last); fd >= 0; fd = table_next((unsigned)fd + 1, last)) {
        struct ending ending;
        if (ending_begin(&ending, fd, VIA_CLOSE_RANGE, false))
            ending_finish(&ending, true);
    }
}

/**
 * Whether close_range() with these flags closes before it returns, and no other thread keeps
 * the fds. (With another process that was given our table of fds, clone(CLONE_FILES), they are
 * shared already.)
 */
static bool closes_now(int flags)
{
    return flags == 0 || (flags == CLOSE_RANGE_UNSHARE && owner_is_one_thread());
}

int hook_close_range(unsigned first, unsigned last, int flags)
{
    owed_settle();
    int saved = errno;
    /* The empty range at the end says whether this kernel has the call at all. */
    bool certain = closes_now(flags) && first <= last && table_next(first, last) >= 0 &&
                   next.close_range(~0u, ~0u, 0) == 0;
    errno = saved;
    if (certain)
        end_connections(first, last);
    if ((unsigned)flags & CLOSE_RANGE_UNSHARE)
        owner_shared_all();
    return next.close_range(first, last, flags);
}

void hook_closefrom(int first)
{
    owed_settle();
    end_connections(first < 0 ? 0 : (unsigned)first, ~0u);
    next.closefrom(first);
}

/** fclose(), and freopen(), which closes first: fds without one (fmemopen()) are none of ours.
 */
static bool stream_ends(struct ending *ending, FILE *stream)
{
    if (!stream)
        return false;
    int saved = errno;
    int fd = fileno(stream);
    errno = saved;
    return fd >= 0 && table_find(fd) &&
           ending_begin(ending, fd, VIA_FCLOSE, __fpending(stream) > 0);
}

int hook_fclose(FILE *stream)
{
    owed_settle();
    struct ending ending;
    bool ends = stream_ends(&ending, stream);
    int r = next.fclose(stream);
    if (ends)
        ending_finish(&ending, true);
    return r;
}

#ifdef OLDER_STDIO
/* __fpending() reads what the FILE of then does not have: it may hold output. */
int hook_older_fclose(FILE *stream)
{
    struct ending ending;
    int fd = stream ? fileno(stream) : -1;
    bool ends = fd >= 0 && table_find(fd) && ending_begin(&ending, fd, VIA_FCLOSE, true);
    int r = next.older_fclose(stream);
    if (ends)
        ending_finish(&ending, true);
    return r;
}

EXPORT_OLDER(fclose, fclose, OLDER_STDIO)
EXPORT_OLDER(fclose, _IO_fclose, OLDER_STDIO)
#endif

/* Without a path, musl changes the mode of the fd that there is: glibc closes it. */
#define FREOPEN(name)                                                                          \
    FILE *hook_##name(const char *path, const char *mode, FILE *stream)                        \
    {                                                                                          \
        owed_settle();                                                                         \
        struct ending ending;                                                                  \
        bool ends = path && stream_ends(&ending, stream);                                      \
        FILE *r = next.name(path, mode, stream);                                               \
        if (ends)                                                                              \
            ending_finish(&ending, true);                                                      \
        return r;                                                                              \
    }

FREOPEN(freopen)
FREOPEN(freopen64)

/** Reports what is left open; exit() and quick_exit() do so by their handlers (init.c). */
void hook__exit(int status)
{
    ending_at_exit();
    next._exit(status);
    __builtin_unreachable();
}
