/*
 * share: the calls by which a socket gets another fd.
 */
#include "connection/share.h"
#include "hooks/hooks.h"

#include <fcntl.h>
#include <stdarg.h>

__attribute__((noinline)) static int dup_socket(int fd)
{
    share_copying(fd);
    int copy = next.dup(fd);
    if (copy >= 0)
        share_copied(fd, copy);
    return copy;
}

int hook_dup(int fd)
{
    if (__builtin_expect(!share_is_plain(fd), 0))
        return dup_socket(fd);
    int copy = next.dup(fd);
    if (__builtin_expect(table_peek(copy) != NULL, 0)) /* of -1, too, it is NULL */
        share_forget(copy);
    return copy;
}

/** fcntl() takes nothing, an int or a pointer, and passes it on as one register (fcntl(2)). */
#define FCNTL(name)                                                                            \
    int hook_##name(int fd, int command, ...)                                                  \
    {                                                                                          \
        va_list list;                                                                          \
        va_start(list, command);                                                               \
        void *argument = va_arg(list, void *);                                                 \
        va_end(list);                                                                          \
        bool copies = command == F_DUPFD || command == F_DUPFD_CLOEXEC;                        \
        if (copies)                                                                            \
            share_copying(fd);                                                                 \
        int r = next.name(fd, command, argument);                                              \
        if (copies && r >= 0)                                                                  \
            share_copied(fd, r);                                                               \
        return r;                                                                              \
    }

FCNTL(fcntl)
FCNTL(fcntl64)
FCNTL(__fcntl_time64)

#ifdef OLDER_FCNTL
FCNTL(older_fcntl)
EXPORT_OLDER(fcntl, fcntl, OLDER_FCNTL)
#endif
