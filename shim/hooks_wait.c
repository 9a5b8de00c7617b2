/*
 * hooks_wait: the calls in which a program waits for its connections. What it owes them
 * (owed.h) is paid before.
 */
#include "next.h"
#include "owed.h"

#define WAIT(name, parameters, arguments)                                                      \
    int hook_##name parameters                                                                 \
    {                                                                                          \
        owed_settle();                                                                         \
        return next.name arguments;                                                            \
    }

/* clang-format off */
WAIT(poll, (struct pollfd *fds, nfds_t count, int ms), (fds, count, ms))
WAIT(__poll_chk, (struct pollfd *fds, nfds_t count, int ms, size_t size),
     (fds, count, ms, size))
WAIT(ppoll, (struct pollfd *fds, nfds_t count, const struct timespec *timeout,
             const sigset_t *mask),
     (fds, count, timeout, mask))
WAIT(__ppoll_chk, (struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                   const sigset_t *mask, size_t size),
     (fds, count, timeout, mask, size))
WAIT(select, (int count, fd_set *in, fd_set *out, fd_set *exceptional,
              struct timeval *timeout),
     (count, in, out, exceptional, timeout))
WAIT(pselect, (int count, fd_set *in, fd_set *out, fd_set *exceptional,
               const struct timespec *timeout, const sigset_t *mask),
     (count, in, out, exceptional, timeout, mask))
WAIT(epoll_wait, (int fd, struct epoll_event *events, int count, int ms),
     (fd, events, count, ms))
WAIT(epoll_pwait, (int fd, struct epoll_event *events, int count, int ms,
                   const sigset_t *mask),
     (fd, events, count, ms, mask))
/* clang-format on */
