#include "kernel/facts.h"

#include "kernel/libc.h"
#include "kernel/raw.h"

#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#ifdef __GLIBC__
#include <linux/tcp.h> /* its own struct tcp_info ends before the byte counts */
#else
#include <netinet/tcp.h>
#endif

/* As linux/sockios.h has them, which not every libc's headers come with. */
#define SIOCINQ  FIONREAD
#define SIOCOUTQ TIOCOUTQ

static int option(int fd, int level, int name)
{
    int value = 0;
    socklen_t len = sizeof(value);
    return next.getsockopt(fd, level, name, &value, &len) == 0 ? value : 0;
}

bool facts_is_tcp(int fd)
{
    return option(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP;
}

bool facts_is_listener(int fd)
{
    return option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 0;
}

#ifndef SO_BINDTOIFINDEX /* asm-generic/socket.h, 5.0 */
#define SO_BINDTOIFINDEX 62
#endif

uint32_t facts_interface(int fd)
{
    return (uint32_t)option(fd, SOL_SOCKET, SO_BINDTOIFINDEX);
}

int facts_linger2(int fd)
{
    return option(fd, IPPROTO_TCP, TCP_LINGER2);
}

int facts_linger(int fd)
{
    struct linger linger = {0};
    socklen_t len = sizeof(linger);
    if (next.getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len) != 0 || !linger.l_onoff)
        return -1;
    return linger.l_linger < 0 ? INT_MAX : linger.l_linger; /* for ever: cut to an int */
}

/** `call`: SYS_getsockname or SYS_getpeername. */
static void ask_address(long call, int fd, union address *to)
{
    socklen_t len = sizeof(*to);
    if (raw_call(call, fd, &to->any, &len) != 0)
        to->any.sa_family = AF_UNSPEC;
}

void facts_local(int fd, union address *local)
{
    ask_address(SYS_getsockname, fd, local);
}

void facts_peer(int fd, union address *peer)
{
    ask_address(SYS_getpeername, fd, peer);
}

uint64_t facts_cookie(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);
    return next.getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}

_Static_assert(offsetof(struct tcp_info, tcpi_options) == 5, "has_timestamps() in ports.c");

/** The SYN was acknowledged, or the state says so. An aborted connection is in CLOSE. */
static bool was_established(const struct tcp_info *info)
{
    switch (info->tcpi_state) {
    case STATE_SYN_SENT:
    case STATE_SYN_RECV:
    case STATE_LISTEN:
        return false;
    case STATE_CLOSE:
        return info->tcpi_bytes_acked > 0 || info->tcpi_bytes_received > 0;
    default:
        return true;
    }
}

/** The peer's FIN has come, or in CLOSE may have: it counts in tcpi_bytes_received. */
static bool fin_received(int state)
{
    return state == STATE_CLOSE_WAIT || state == STATE_LAST_ACK || state == STATE_CLOSING ||
           state == STATE_TIME_WAIT || state == STATE_CLOSE;
}

struct tcp_facts facts_ask(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    memset(&info, 0, sizeof(info));
    if (next.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return (struct tcp_facts){.state = STATE_CLOSE};
    struct tcp_facts tcp = {
        .state = (enum tcp_state)info.tcpi_state,
        .established = was_established(&info),
        .unacked = info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0,
        .sent = info.tcpi_bytes_sent + info.tcpi_notsent_bytes,
        .acked = info.tcpi_bytes_acked,
        .received = info.tcpi_bytes_received,
        .sent_ms = info.tcpi_last_data_sent,
        .received_ms = info.tcpi_last_data_recv,
    };
    if (tcp.state == STATE_FIN_WAIT2)
        tcp.acked--; /* our FIN */
    if (tcp.received > 0 && fin_received(info.tcpi_state))
        tcp.received--;
    return tcp;
}

static uint32_t queue(int fd, unsigned long request)
{
    int bytes = 0;
    return raw_call(SYS_ioctl, fd, request, &bytes) == 0 && bytes > 0 ? (uint32_t)bytes : 0;
}

uint32_t facts_unread(int fd)
{
    return queue(fd, SIOCINQ);
}

bool facts_has_input(int fd)
{
    struct pollfd input = {.fd = fd, .events = POLLIN | POLLPRI | POLLRDHUP};
    struct raw_time at_once = raw_time(0);
    if (raw_poll(&input, 1, &at_once) == 0)
        return false;
    bool only_eof = (input.revents & (POLLRDHUP | POLLPRI)) == POLLRDHUP;
    return !only_eof || facts_unread(fd) > 0; /* when in doubt: yes */
}

uint32_t facts_unacked(int fd, const struct tcp_facts *tcp)
{
    if (!tcp->unacked)
        return 0; /* SIOCOUTQ is stale after a reset (fact 12) */
    uint32_t bytes = queue(fd, SIOCOUTQ);
    return bytes > 0 ? bytes
                     : 1; /* and 0 in SYN_RECV, where Fast Open may have data in flight */
}

enum last_op facts_resolve_last(enum last_op last, const struct tcp_facts *tcp, uint32_t unread,
                                enum last_op guess)
{
    if (last != LAST_UNKNOWN)
        return last;
    if (tcp->received == 0 || unread > 0 || tcp->unacked)
        return LAST_WRITE;
    if (tcp->sent > 0 && tcp->received_ms == tcp->sent_ms)
        return guess;
    return tcp->sent == 0 || tcp->received_ms < tcp->sent_ms ? LAST_READ : LAST_WRITE;
}
