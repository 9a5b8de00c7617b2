/*
 * hooks_option: what the application itself says about how its connections end, and asks about
 * how they began.
 */
#include "connection/birth.h"
#include "connection/owed.h"
#include "connection/table.h"
#include "kernel/libc.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>

static bool is_linger(int level, int name)
{
    return (level == SOL_SOCKET && name == SO_LINGER) ||
           (level == IPPROTO_TCP && name == TCP_LINGER2);
}

/** The application set its SO_LINGER or TCP_LINGER2: NOTIMEWAIT_LINGER says who prevails. */
static void note_linger(int fd, struct conn *c, int level, const void *value)
{
    int saved = errno;
    struct linger linger;
    if (level == IPPROTO_TCP) {
        conn_mark(c, CONN_APP_LINGER2);
    } else {
        memcpy(&linger, value, sizeof(linger));
        if (linger.l_onoff)
            conn_mark(c, CONN_APP_LINGER);
        else
            conn_unmark(c, CONN_APP_LINGER);
    }
    birth_rearm(fd, c, level == IPPROTO_TCP);
    errno = saved;
}

#define SETSOCKOPT(name_)                                                                      \
    int hook_##name_(int fd, int level, int name, const void *value, socklen_t len)            \
    {                                                                                          \
        owed_settle();                                                                         \
        int r = next.name_(fd, level, name, value, len);                                       \
        struct conn *c = r == 0 && is_linger(level, name) ? table_find(fd) : NULL;             \
        if (c)                                                                                 \
            note_linger(fd, c, level, value);                                                  \
        return r;                                                                              \
    }

SETSOCKOPT(setsockopt)
SETSOCKOPT(__setsockopt64)

/** What the kernel has put there: why a connect() that was under way failed, perhaps. */
static void note_error(int fd, const void *value)
{
    int error;
    memcpy(&error, value, sizeof(error));
    if (error != 0)
        birth_failed(fd, error);
}

#define GETSOCKOPT(name_)                                                                      \
    int hook_##name_(int fd, int level, int name, void *value, socklen_t *len)                 \
    {                                                                                          \
        owed_settle();                                                                         \
        int r = next.name_(fd, level, name, value, len);                                       \
        if (r == 0 && level == SOL_SOCKET && name == SO_ERROR && *len == sizeof(int))          \
            note_error(fd, value);                                                             \
        return r;                                                                              \
    }

GETSOCKOPT(getsockopt)
GETSOCKOPT(__getsockopt64)

int hook_shutdown(int fd, int how)
{
    owed_settle();
    struct conn *c = table_find(fd);
    if (!c)
        return next.shutdown(fd, how);
    return owed_shutdown(fd, c, how) ? 0 : owed_not(fd, c, how);
}
