/*
 * hooks_share: the calls by which a socket gets another fd.
 */
#include "connection/share.h"
#include "connection/owed.h"
#include "kernel/libc.h"

#include <fcntl.h>
#include <stdarg.h>

int hook_dup(int fd)
{
    owed_using(fd);
    int copy = next.dup(fd);
    if (copy >= 0)
        share_copied(fd, copy);
    owed_used(fd);
    return copy;
}

/** fcntl() takes nothing, an int or a pointer, and passes it on as one register (fcntl(2)). */
#define FCNTL(name)                                                                            \
    int hook_##name(int fd, int command, ...)                                                  \
    {                                                                                          \
        owed_using(fd);                                                                        \
        va_list list;                                                                          \
        va_start(list, command);                                                               \
        void *argument = va_arg(list, void *);                                                 \
        va_end(list);                                                                          \
        int r = next.name(fd, command, argument);                                              \
        if (r >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC))                      \
            share_copied(fd, r);                                                               \
        owed_used(fd);                                                                         \
        return r;                                                                              \
    }

FCNTL(fcntl)
FCNTL(fcntl64)
FCNTL(__fcntl_time64)

#ifdef OLDER_FCNTL
FCNTL(older_fcntl)
EXPORT_OLDER(fcntl, fcntl, OLDER_FCNTL)
#endif
