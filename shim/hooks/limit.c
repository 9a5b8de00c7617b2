/*
 * limit: the calls by which the program limits the size of its files. A record in a file
 * may cause SIGXFSZ from then on, which the log otherwise need not look out for.
 */
#include "hooks/hooks.h"
#include "report/sink.h"

#include <stdarg.h>
#include <sys/resource.h>
#include <ulimit.h>

static inline int changed(int resource, const void *limit, int r)
{
    if (r == 0 && limit && resource == RLIMIT_FSIZE)
        sink_size_limited();
    return r;
}

#define SETRLIMIT(name)                                                                        \
    int hook_##name(int resource, const void *limit)                                           \
    {                                                                                          \
        return changed(resource, limit, next.name(resource, limit));                           \
    }

#define PRLIMIT(name)                                                                          \
    int hook_##name(pid_t pid, int resource, const void *limit, void *old)                     \
    {                                                                                          \
        return changed(resource, limit, next.name(pid, resource, limit, old));                 \
    }

SETRLIMIT(setrlimit)
SETRLIMIT(setrlimit64)
PRLIMIT(prlimit)
PRLIMIT(prlimit64)

/** It takes nothing or a long, and passes it on as one register, as fcntl() does. */
long hook_ulimit(int command, ...)
{
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (command == UL_SETFSIZE)
        sink_size_limited();
    return next.ulimit(command, argument);
}
