/* results' connections: of each side, in each state. */
#ifndef RESULTS_CONNECTIONS_H
#define RESULTS_CONNECTIONS_H

#include "results.h"

#include <linux/filter.h>

/* --- addresses --- */

enum { FAMILIES = 2 };

static const int families[FAMILIES] = {AF_INET, AF_INET6};
static int listeners[FAMILIES];                    /* ours */
static struct address listener_at[FAMILIES];       /* theirs */
static int peer_listeners[FAMILIES];               /* the peers' */
static struct address peer_listener_at[FAMILIES];  /* theirs */
static struct address refusing_at, unanswering_at; /* RST; nothing (IPv4) */
static int unanswering;

static struct address loopback(int family)
{
    struct address at = {0};

    at.u.any.sa_family = (sa_family_t)family;
    at.size = family == AF_INET ? sizeof at.u.v4 : sizeof at.u.v6;
    if (family == AF_INET)
        at.u.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        at.u.v6.sin6_addr = in6addr_loopback;
    return at;
}

static struct address unix_address(const char *path)
{
    struct address at = {.size = sizeof at.u.local};

    at.u.local.sun_family = AF_UNIX;
    (void)snprintf(at.u.local.sun_path, sizeof at.u.local.sun_path, "%s", path);
    return at;
}

/* Binds to a free port of the loopback address; a backlog < 0: does not listen. */
static struct address bind_fd(int fd, int family, int backlog)
{
    struct address at = loopback(family);

    if (fd < 0 || bind(fd, &at.u.any, at.size) < 0 ||
        getsockname(fd, &at.u.any, &at.size) < 0 || (backlog >= 0 && listen(fd, backlog) < 0))
        die("bind, listen");
    return at;
}

/* A backlog of 0 holds one connection; the SYNs of others are dropped. */
static void fill_backlog(void)
{
    unanswering = raw_socket(AF_INET, SOCK_STREAM);
    unanswering_at = bind_fd(unanswering, AF_INET, 0);
    if (raw_connect(raw_socket(AF_INET, SOCK_STREAM), &unanswering_at) < 0)
        die("connect");
}

static void make_listeners(void)
{
    for (int i = 0; i < FAMILIES; i++) {
        listeners[i] = socket(families[i], SOCK_STREAM | SOCK_NONBLOCK, 0);
        listener_at[i] = bind_fd(listeners[i], families[i], 100);
        peer_listeners[i] = raw_socket(families[i], SOCK_STREAM);
        peer_listener_at[i] = bind_fd(peer_listeners[i], families[i], 100);
    }
    refusing_at = bind_fd(raw_socket(AF_INET, SOCK_STREAM), AF_INET, -1);
    fill_backlog();
}

/* --- connections: our side is made by libc's calls, the peer's by raw ones --- */

static int peer = -1; /* of the fd made last */

struct side {
    const char *name;
    int family; /* an index */
    bool server;
};

static const struct side sides[] = {
    {"tcp4 client", 0, false},
    {"tcp4 server", 0, true},
    {"tcp6 client", 1, false},
    {"tcp6 server", 1, true},
};

enum { SIDES = sizeof sides / sizeof sides[0] };

static int connected(const struct side *side)
{
    int fd;

    if (side->server) {
        peer = raw_socket(families[side->family], SOCK_STREAM);
        if (raw_connect(peer, &listener_at[side->family]) < 0)
            die("raw connect");
        wait_ready(listeners[side->family], POLLIN);
        fd = accept(listeners[side->family], NULL, NULL);
    } else {
        const struct address *to = &peer_listener_at[side->family];

        fd = socket(families[side->family], SOCK_STREAM, 0);
        if (connect(fd, &to->u.any, to->size) < 0)
            die("connect");
        peer = raw_accept(peer_listeners[side->family]);
    }
    if (fd < 0 || peer < 0)
        die("connection");
    return fd;
}

/* The peer's end first, by RST, so that no policy waits for a peer that does not read. */
static void clean(int fd)
{
    if (peer >= 0)
        raw_reset(peer);
    peer = -1;
    if (fd >= 0 && fd < NO_FD)
        (void)close(fd);
}

/* Resets what arrived at a listener of the peers' and was not meant to be accepted. */
static void drop_arrivals(int fd)
{
    struct pollfd more = {.fd = fd, .events = POLLIN};

    while (poll(&more, 1, 0) > 0)
        raw_reset(raw_accept(fd));
}

/* --- states of a connection --- */

static void set_nonblock(int fd)
{
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void bring_nonblock(int fd)
{
    set_nonblock(fd);
}

static void set_timeouts(int fd)
{
    struct timeval piece = {0, PIECE_MS * 1000L};

    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &piece, sizeof piece) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &piece, sizeof piece) < 0)
        die("SO_RCVTIMEO");
}

static void bring_timeout(int fd)
{
    set_timeouts(fd);
}

static void bring_idle(int fd)
{
    (void)fd;
}

static void bring_data(int fd)
{
    raw_send(peer);
    wait_ready(fd, POLLIN);
}

static void bring_eof(int fd)
{
    (void)raw_syscall(SYS_shutdown, peer, SHUT_WR);
    wait_ready(fd, POLLRDHUP);
}

static void bring_reset(int fd)
{
    raw_reset(peer);
    peer = -1;
    wait_ready(fd, POLLIN);
}

static void bring_reset_seen(int fd)
{
    int error;
    socklen_t size = sizeof error;

    bring_reset(fd);
    (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
}

static void bring_shut_rd(int fd)
{
    (void)shutdown(fd, SHUT_RD);
}

static void bring_shut_wr(int fd)
{
    (void)shutdown(fd, SHUT_WR);
    wait_ready(peer, POLLRDHUP); /* on a busy machine FIN takes its time */
}

/*
 * No byte more can be sent: a filter drops what comes to the peer, so that nothing is
 * acknowledged. A peer that merely does not read goes on taking a little now and then.
 */
static void bring_full(int fd)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog filter = {1, &drop};
    int small = 4096;

    if (raw_syscall(SYS_setsockopt, peer, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
                    sizeof filter) < 0)
        die("SO_ATTACH_FILTER");
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    raw_fill(fd);
}

/* Whether a call that waits ends by a signal or by a time-out. */
enum wait { NO_WAIT, INTERRUPT, TIMEOUT };

struct state {
    const char *name;
    void (*bring)(int fd);
    enum wait wait;
};

static const struct state input_states[] = {
    {" idle, non-blocking", bring_nonblock, NO_WAIT},
    {" idle, SO_RCVTIMEO", bring_timeout, TIMEOUT},
    {" idle, interrupted", bring_idle, INTERRUPT},
    {" with data", bring_data, NO_WAIT},
    {" at EOF", bring_eof, NO_WAIT},
    {" reset", bring_reset, NO_WAIT},
    {" reset, seen", bring_reset_seen, NO_WAIT},
    {" after SHUT_RD", bring_shut_rd, NO_WAIT},
};

static const struct state output_states[] = {
    {" idle", bring_idle, NO_WAIT},
    {" peer at EOF", bring_eof, NO_WAIT},
    {" after SHUT_WR", bring_shut_wr, NO_WAIT},
    {" reset", bring_reset, NO_WAIT},
    {" reset, seen", bring_reset_seen, NO_WAIT},
};

/* One socket for all calls: none can change it. */
static const struct state full_states[] = {
    {" full, interrupted", bring_idle, INTERRUPT},
    {" full, SO_SNDTIMEO", bring_timeout, TIMEOUT},
    {" full, non-blocking", bring_nonblock, NO_WAIT},
};

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

#endif
