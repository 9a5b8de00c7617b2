/*
 * hooks_wait: the calls in which a program waits for its connections, which may wait for a FIN
 * that it owes (owed.h). (epoll_wait() holds no socket that is closed meanwhile; the others
 * do.)
 */
#include "connection/owed.h"
#include "kernel/libc.h"
#include "kernel/process.h"

#include <errno.h>

#define FEW 8 /* fds that are looked at one by one */

/** The fds that poll() is given, as they were; `any`: there are too many to look at. */
struct polled {
    struct pollfd fds[FEW];
    nfds_t count;
    bool any;
};

/** Without touching the program's memory: a bad pointer is EFAULT, not a crash. */
static bool peek(struct polled *polled, const struct pollfd *fds, nfds_t count)
{
    struct iovec here = {.iov_base = polled->fds, .iov_len = count * sizeof(*fds)};
    struct iovec there = {.iov_base = (void *)(uintptr_t)fds, .iov_len = here.iov_len};
    polled->count = count;
    return count <= FEW &&
           process_vm_readv(owner_pid(), &here, 1, &there, 1, 0) == (ssize_t)here.iov_len;
}

static void using_all(struct polled *polled, const struct pollfd *fds, nfds_t count)
{
    int saved = errno;
    polled->any = !peek(polled, fds, count);
    errno = saved;
    if (polled->any)
        owed_enter_any();
    for (nfds_t i = 0; !polled->any && i < polled->count; i++)
        owed_enter(polled->fds[i].fd);
}

static void used_all(const struct polled *polled)
{
    if (polled->any)
        owed_leave_any();
    for (nfds_t i = 0; !polled->any && i < polled->count; i++)
        owed_leave(polled->fds[i].fd);
}

/** noinline: room for `polled` is made on the stack only where a FIN may be owed. */
#define POLL(name, parameters, arguments)                                                      \
    __attribute__((noinline)) static int used_##name parameters                                \
    {                                                                                          \
        struct polled polled;                                                                  \
        using_all(&polled, fds, count);                                                        \
        int r = next.name arguments;                                                           \
        used_all(&polled);                                                                     \
        return r;                                                                              \
    }                                                                                          \
    int hook_##name parameters                                                                 \
    {                                                                                          \
        return owed_mode ? used_##name arguments : next.name arguments;                        \
    }

#define SELECT(name, parameters, arguments)                                                    \
    int hook_##name parameters                                                                 \
    {                                                                                          \
        if (!owed_mode)                                                                        \
            return next.name arguments;                                                        \
        owed_enter_any();                                                                      \
        int r = next.name arguments;                                                           \
        owed_leave_any();                                                                      \
        return r;                                                                              \
    }

/* clang-format off */
POLL(poll, (struct pollfd *fds, nfds_t count, int ms), (fds, count, ms))
POLL(__poll_chk, (struct pollfd *fds, nfds_t count, int ms, size_t size),
     (fds, count, ms, size))
POLL(ppoll, (struct pollfd *fds, nfds_t count, const struct timespec *timeout,
             const sigset_t *mask),
     (fds, count, timeout, mask))
POLL(__ppoll_chk, (struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                   const sigset_t *mask, size_t size),
     (fds, count, timeout, mask, size))
SELECT(select, (int count, fd_set *in, fd_set *out, fd_set *exceptional,
                struct timeval *timeout),
       (count, in, out, exceptional, timeout))
SELECT(pselect, (int count, fd_set *in, fd_set *out, fd_set *exceptional,
                 const struct timespec *timeout, const sigset_t *mask),
       (count, in, out, exceptional, timeout, mask))
/* clang-format on */

int hook_epoll_wait(int fd, struct epoll_event *events, int count, int ms)
{
    return next.epoll_wait(fd, events, count, ms);
}

int hook_epoll_pwait(int fd, struct epoll_event *events, int count, int ms,
                     const sigset_t *mask)
{
    return next.epoll_pwait(fd, events, count, ms, mask);
}
