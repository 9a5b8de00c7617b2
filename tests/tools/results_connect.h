/* results: the calls that make and connect a socket. */
#ifndef RESULTS_CONNECT_H
#define RESULTS_CONNECT_H

#include "results_others.h"

static void close_if(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

/* --- socket --- */

static void try_socket(void)
{
    static const struct {
        int domain, type, protocol;
    } kinds[] = {
        {AF_INET, SOCK_STREAM, 0},
        {AF_INET6, SOCK_STREAM, IPPROTO_TCP},
        {AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0},
        {AF_INET, SOCK_DGRAM, 0},
        {AF_UNIX, SOCK_STREAM, 0},
        {AF_INET, SOCK_STREAM, 262},
        {AF_INET, SOCK_STREAM, IPPROTO_UDP},
        {AF_INET, SOCK_STREAM, 999},
        {AF_INET, 99, 0},
        {AF_INET, SOCK_STREAM | 1 << 20, 0},
        {99, SOCK_STREAM, 0},
        {-1, -1, -1},
    };

    for (int i = 0; i < COUNT(kinds); i++)
        for (int other_name = 0; other_name < 2; other_name++) {
            int fd = -1;

            CALL(other_name ? "__socket" : "socket",
                 fd = (other_name ? alias.socket : socket)(kinds[i].domain, kinds[i].type,
                                                           kinds[i].protocol),
                 "%d %d %d", kinds[i].domain, kinds[i].type, kinds[i].protocol);
            if (fd >= 0)
                extra_open(fd);
            close_if(fd);
        }
}

/* --- connect --- */

typedef int connect_call(int fd, const struct sockaddr *to, socklen_t size);

static struct address no_family(void)
{
    return (struct address){.size = sizeof(struct sockaddr)};
}

static struct address far_away(void)
{
    struct address at = loopback(AF_INET);

    at.u.v4.sin_addr.s_addr = htonl(0xC0000201); /* 192.0.2.1: no route */
    at.u.v4.sin_port = htons(9);
    return at;
}

/* Addresses that no connection comes from. */
static void try_connect_wrong(const char *name, connect_call *call)
{
    const struct address unix_at = unix_address("/nonexistent/socket"), none = no_family(),
                         far = far_away(), *refusing = &refusing_at;
    const struct {
        const char *name;
        const void *to;
        socklen_t size;
    } cases[] = {
        {"closed port", &refusing->u, refusing->size},
        {"no route", &far.u, far.size},
        {"IPv6 address", &listener_at[1].u, listener_at[1].size},
        {"unix address", &unix_at.u, unix_at.size},
        {"AF_UNSPEC", &none.u, none.size},
        {"bad address", bad, refusing->size},
        {"NULL address", NULL, refusing->size},
        {"address of 0 bytes", &refusing->u, 0},
        {"bad address of 0 bytes", bad, 0},
        {"address of 1 byte", &refusing->u, 1},
        {"address of 8 bytes", &refusing->u, 8},
        {"address of 4000 bytes", &refusing->u, 4000},
        {"address of -1 bytes", &refusing->u, (socklen_t)-1},
    };

    for (int i = 0; i < COUNT(cases); i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        CALL(name, call(fd, cases[i].to, cases[i].size), "%s", cases[i].name);
        CALL(name, call(fd, &peer_listener_at[0].u.any, peer_listener_at[0].size),
             "a listener, after %s", cases[i].name);
        extra_linger(fd);
        peer = raw_accept(peer_listeners[0]);
        clean(fd);
    }
}

static void try_connect_on_others(const char *name, connect_call *call)
{
    const struct address none = no_family();

    for (int i = 0; i < COUNT(others); i++) {
        int fd = others[i].make();

        CALL(name, call(fd, &refusing_at.u.any, refusing_at.size), "%s", others[i].name);
        CALL(name, call(fd, &none.u.any, none.size), "%s, AF_UNSPEC", others[i].name);
        clean_other(fd);
    }
}

static void try_connect_again(const char *name, connect_call *call)
{
    const struct address *to, none = no_family();

    for (int i = 0; i < SIDES; i++) {
        int fd = connected(&sides[i]);

        to = &peer_listener_at[sides[i].family];
        CALL(name, call(fd, &to->u.any, to->size), "%s, again", sides[i].name);
        CALL(name, call(fd, bad, to->size), "%s, bad address", sides[i].name);
        CALL(name, call(fd, bad, 0), "%s, bad address of 0 bytes", sides[i].name);
        CALL(name, call(fd, &none.u.any, none.size), "%s, AF_UNSPEC", sides[i].name);
        extra_linger(fd);
        CALL(name, call(fd, &to->u.any, to->size), "%s, after AF_UNSPEC", sides[i].name);
        extra_linger(fd);
        raw_reset(peer);
        peer = raw_accept(peer_listeners[sides[i].family]);
        CALL("write", write(fd, hello, 5), "%s, reconnected", sides[i].name);
        clean(fd);
    }
}

static void try_connect_waiting(const char *name, connect_call *call)
{
    const struct address *to = &unanswering_at;
    int fd = make_tcp4_new();

    CALL(name, call(fd, &to->u.any, to->size), "non-blocking, no answer");
    CALL(name, call(fd, &to->u.any, to->size), "non-blocking, no answer, again");
    clean(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    INTERRUPTED(name, call(fd, &to->u.any, to->size), "no answer, interrupted");
    set_timeouts(fd);
    CALL(name, call(fd, &to->u.any, to->size), "no answer, after EINTR, SO_SNDTIMEO");
    clean(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    set_timeouts(fd);
    CALL(name, call(fd, &to->u.any, to->size), "no answer, SO_SNDTIMEO");
    clean(fd);
    for (int i = 0; i < FAMILIES; i++) {
        to = &peer_listener_at[i];
        fd = socket(families[i], SOCK_STREAM | SOCK_NONBLOCK, 0);
        CALL(name, call(fd, &to->u.any, to->size), "non-blocking");
        wait_ready(fd, POLLOUT);
        CALL(name, call(fd, &to->u.any, to->size), "non-blocking, done");
        CALL(name, call(fd, &to->u.any, to->size), "non-blocking, done, again");
        peer = raw_accept(peer_listeners[i]);
        clean(fd);
    }
}

static void try_connect_fastopen(void)
{
    const struct address *to = &peer_listener_at[0];
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on);
    CALL("connect", connect(fd, &to->u.any, to->size), "TCP_FASTOPEN_CONNECT");
    CALL("connect", connect(fd, &to->u.any, to->size), "TCP_FASTOPEN_CONNECT, again");
    CALL("write", write(fd, hello, 5), "TCP_FASTOPEN_CONNECT");
    peer = raw_accept(peer_listeners[0]);
    clean(fd);
}

static void try_connects(const char *name, connect_call *call)
{
    try_connect_wrong(name, call);
    try_connect_on_others(name, call);
    try_connect_again(name, call);
    try_connect_waiting(name, call);
}

#endif
