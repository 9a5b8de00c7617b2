/*
 * option: what the application itself says about how its connections end and begin, and asks
 * about how they began.
 */
#include "connection/arming.h"
#include "connection/birth.h"
#include "connection/table.h"
#include "connection/use.h"
#include "hooks/hooks.h"
#include "kernel/process.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>

#ifndef IP_LOCAL_PORT_RANGE /* linux/in.h, 6.3 */
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IPV6_ADDR_PREFERENCES /* linux/in6.h */
#define IPV6_ADDR_PREFERENCES 72
#endif
#ifndef IPV6_UNICAST_IF /* linux/in6.h */
#define IPV6_UNICAST_IF 76
#endif
#ifndef TCP_FASTOPEN_CONNECT /* linux/tcp.h, 4.11 */
#define TCP_FASTOPEN_CONNECT 30
#endif
#ifndef SO_BINDTOIFINDEX /* asm-generic/socket.h, 5.0 */
#define SO_BINDTOIFINDEX 62
#endif

/** The application set its SO_LINGER or TCP_LINGER2: NOTIMEWAIT_LINGER says who prevails. */
static void note_linger(int fd, struct conn *c, bool linger2, const void *value)
{
    struct linger linger;
    if (linger2) {
        conn_mark(c, CONN_APP_LINGER2);
    } else {
        memcpy(&linger, value, sizeof(linger));
        if (linger.l_onoff)
            conn_mark(c, CONN_APP_LINGER);
        else
            conn_unmark(c, CONN_APP_LINGER);
    }
    if (process_may_act())
        arming_app_changed(fd, c, linger2);
}

static void note_socket_option(int fd, struct conn *c, int name, const void *value)
{
    switch (name) {
    case SO_LINGER:
        note_linger(fd, c, false, value);
        break;
    case SO_REUSEADDR:
    case SO_REUSEPORT:
    case SO_MARK: /* may lead to another route, so to another source address than the entries'
                   */
        conn_mark(c, CONN_APP_PORT);
        break;
    case SO_BINDTODEVICE:
    case SO_BINDTOIFINDEX:
        conn_mark(c, CONN_DEVICE);
        break;
    case SO_RCVLOWAT:
        conn_mark(c, CONN_LOW_WATER);
        break;
    default:
        break;
    }
}

/** Ports are taken over from entries of the source address that connect() chooses by default.
 */
static bool chooses_port_or_source(int level, int name)
{
    if (level == IPPROTO_IP)
        return name == IP_LOCAL_PORT_RANGE || name == IP_UNICAST_IF || name == IP_OPTIONS;
    return level == IPPROTO_IPV6 &&
           (name == IPV6_UNICAST_IF || name == IPV6_PKTINFO || name == IPV6_ADDR_PREFERENCES);
}

/** The application has set an option of fd. */
static void note_option(int fd, int level, int name, const void *value)
{
    struct conn *c = process_is_ours() ? table_find(fd) : NULL;
    int saved = errno;
    if (!c)
        return;
    if (level == SOL_SOCKET)
        note_socket_option(fd, c, name, value);
    else if (level == IPPROTO_TCP && name == TCP_LINGER2)
        note_linger(fd, c, true, value);
    else if (level == IPPROTO_TCP && name == TCP_FASTOPEN_CONNECT)
        conn_mark(c, CONN_FAST_OPEN);
    else if (chooses_port_or_source(level, name))
        conn_mark(c, CONN_APP_PORT);
    errno = saved;
}

#define SETSOCKOPT(name_)                                                                      \
    int hook_##name_(int fd, int level, int name, const void *value, socklen_t len)            \
    {                                                                                          \
        int r = next.name_(fd, level, name, value, len);                                       \
        if (r == 0 && table_find(fd))                                                          \
            note_option(fd, level, name, value);                                               \
        return r;                                                                              \
    }

SETSOCKOPT(setsockopt)
SETSOCKOPT(__setsockopt64)

/** What the kernel has put there: why a connect() that was under way failed, perhaps. */
static void note_error(int fd, const void *value)
{
    int error;
    memcpy(&error, value, sizeof(error));
    use_told(fd, error);
}

#define GETSOCKOPT(name_)                                                                      \
    int hook_##name_(int fd, int level, int name, void *value, socklen_t *len)                 \
    {                                                                                          \
        int r = next.name_(fd, level, name, value, len);                                       \
        if (r == 0 && level == SOL_SOCKET && name == SO_ERROR && *len == sizeof(int))          \
            note_error(fd, value);                                                             \
        return r;                                                                              \
    }

GETSOCKOPT(getsockopt)
GETSOCKOPT(__getsockopt64)

int hook_shutdown(int fd, int how)
{
    int r = next.shutdown(fd, how);
    struct conn *c = r == 0 && how != SHUT_WR && process_is_ours() ? table_find(fd) : NULL;
    if (c)
        conn_mark(c, CONN_SHUT_RD);
    return r;
}
