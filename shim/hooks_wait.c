/*
 * hooks_wait: the calls in which a program waits for its connections, which may wait for a FIN
 * that it owes (owed.h). (epoll_wait() holds no socket that is closed meanwhile; the others
 * do.)
 */
#include "next.h"
#include "owed.h"

static void using_all(const struct pollfd *fds, nfds_t count)
{
    for (nfds_t i = 0; owed_mode && fds && i < count; i++)
        owed_enter(fds[i].fd);
}

static void used_all(const struct pollfd *fds, nfds_t count)
{
    for (nfds_t i = 0; owed_mode && fds && i < count; i++)
        owed_leave(fds[i].fd);
}

#define POLL(name, parameters, arguments)                                                      \
    int hook_##name parameters                                                                 \
    {                                                                                          \
        using_all(fds, count);                                                                 \
        int r = next.name arguments;                                                           \
        used_all(fds, count);                                                                  \
        return r;                                                                              \
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
