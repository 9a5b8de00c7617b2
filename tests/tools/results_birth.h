/* results: the calls that accept a connection, configure and shut down a socket. */
#ifndef RESULTS_BIRTH_H
#define RESULTS_BIRTH_H

#include "results_connect.h"

/* --- accept --- */

typedef int accept_call(int fd, struct sockaddr *from, socklen_t *size);

static int accept_by_4(int fd, struct sockaddr *from, socklen_t *size)
{
    return accept4(fd, from, size, SOCK_CLOEXEC);
}

/* A peer connects; returns once the connection can be accepted. */
static void arrive(int i)
{
    peer = raw_socket(families[i], SOCK_STREAM);
    if (raw_connect(peer, &listener_at[i]) < 0)
        die("raw connect");
    wait_ready(listeners[i], POLLIN);
}

static void try_accept(const char *name, accept_call *call, struct sockaddr *from,
                       socklen_t *size, const char *what)
{
    for (int i = 0; i < FAMILIES; i++) {
        int fd = -1;

        arrive(i);
        CALL(name, fd = call(listeners[i], from, size), "tcp%d, %s", i ? 6 : 4, what);
        if (size && size != bad)
            extra("size=%d", (int)*size);
        if (fd >= 0) {
            extra_open(fd);
            extra_linger(fd);
            CALL("write", write(fd, hello, 5), "accepted");
        }
        clean(fd);
        CALL(name, fd = call(listeners[i], NULL, NULL), "tcp%d, no more, after %s", i ? 6 : 4,
             what);
        clean(fd);
    }
}

static void try_accepts(const char *name, accept_call *call)
{
    struct address from;

    for (int i = 0; i < COUNT(others); i++) {
        int fd = others[i].make();

        CALL(name, call(fd, NULL, NULL), "%s", others[i].name);
        clean_other(fd);
    }
    try_accept(name, call, NULL, NULL, "no address");
    from.size = sizeof from.u;
    try_accept(name, call, &from.u.any, &from.size, "address");
    extra("family=%d", from.u.any.sa_family);
    from.size = 3;
    try_accept(name, call, &from.u.any, &from.size, "address of 3 bytes");
    from.size = (socklen_t)-1;
    try_accept(name, call, &from.u.any, &from.size, "address of -1 bytes");
    from.size = sizeof from.u;
    try_accept(name, call, bad, &from.size, "bad address");
    try_accept(name, call, &from.u.any, bad, "bad size");
}

static void try_accept_waiting(const char *name, accept_call *call)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)bind_fd(fd, AF_INET, 1);
    INTERRUPTED(name, call(fd, NULL, NULL), "interrupted");
    set_timeouts(fd);
    CALL(name, call(fd, NULL, NULL), "SO_RCVTIMEO");
    clean(fd);
}

static void try_accept_flags(void)
{
    int fd = -1;

    CALL("accept4", accept4(listeners[0], NULL, NULL, 77), "flags 77");
    arrive(0);
    CALL("accept4", fd = accept4(listeners[0], NULL, NULL, SOCK_NONBLOCK), "SOCK_NONBLOCK");
    CALL("read", read(fd, &(char){0}, 1), "accepted with SOCK_NONBLOCK");
    clean(fd);
    arrive(0);
    raw_reset(peer);
    peer = -1;
    wait_ready(listeners[0], POLLIN);
    CALL("accept", fd = accept(listeners[0], NULL, NULL), "reset before accept");
    CALL("read", read(fd, &(char){0}, 1), "reset before accept");
    clean(fd);
}

/* --- setsockopt, shutdown --- */

struct option {
    const char *name;
    int level, option;
    bool bad;
    int value[2]; /* an int, or a struct linger */
    socklen_t size;
};

static const struct option options[] = {
    {"SO_LINGER on, 3 s", SOL_SOCKET, SO_LINGER, false, {1, 3}, 8},
    {"SO_LINGER off", SOL_SOCKET, SO_LINGER, false, {0, 0}, 8},
    {"SO_LINGER on, -1 s", SOL_SOCKET, SO_LINGER, false, {1, -1}, 8},
    {"SO_LINGER off again", SOL_SOCKET, SO_LINGER, false, {0, 7}, 8},
    {"SO_LINGER, 4 bytes", SOL_SOCKET, SO_LINGER, false, {1, 0}, 4},
    {"SO_LINGER, 0 bytes", SOL_SOCKET, SO_LINGER, false, {1, 0}, 0},
    {"SO_LINGER, -1 bytes", SOL_SOCKET, SO_LINGER, false, {1, 0}, (socklen_t)-1},
    {"SO_LINGER, bad value", SOL_SOCKET, SO_LINGER, true, {1, 0}, 8},
    {"TCP_LINGER2, 2 bytes", IPPROTO_TCP, TCP_LINGER2, false, {5, 0}, 2},
    {"TCP_LINGER2, bad value", IPPROTO_TCP, TCP_LINGER2, true, {5, 0}, 4},
    {"TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, false, {1, 0}, 4},
    {"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, false, {1, 0}, 4},
    {"unknown option", SOL_SOCKET, 9999, false, {1, 0}, 4},
    {"unknown TCP option", IPPROTO_TCP, 9999, false, {1, 0}, 4},
    {"unknown level", 9999, 1, false, {1, 0}, 4},
    {"TCP_LINGER2 5", IPPROTO_TCP, TCP_LINGER2, false, {5, 0}, 4},
    {"SO_LINGER on, 2 s", SOL_SOCKET, SO_LINGER, false, {1, 2}, 8},
};

static void try_options(int fd, const char *what)
{
    for (int i = 0; i < COUNT(options); i++) {
        const struct option *o = &options[i];

        CALL("setsockopt",
             setsockopt(fd, o->level, o->option, o->bad ? bad : o->value, o->size), "%s, %s",
             what, o->name);
        extra_linger(fd);
    }
}

static void try_shutdowns(int fd, const char *what)
{
    static const int hows[] = {-1, 3, SHUT_RD, SHUT_WR, SHUT_RDWR, SHUT_RDWR};

    for (int i = 0; i < COUNT(hows); i++)
        CALL("shutdown", shutdown(fd, hows[i]), "%s, %d", what, hows[i]);
    extra_linger(fd);
}

static void try_settings(void)
{
    for (int i = 0; i < COUNT(others) * 2; i++) {
        const struct other *other = &others[i / 2];
        int fd = other->make();

        (i % 2 ? try_shutdowns : try_options)(fd, other->name);
        clean_other(fd);
    }
    for (int i = 0; i < SIDES * 2; i++) {
        int fd = connected(&sides[i / 2]);

        (i % 2 ? try_shutdowns : try_options)(fd, sides[i / 2].name);
        clean(fd);
    }
}

static void ask_linger2(const char *name, int fd, const char *what, const char *when)
{
    int value = 0;
    socklen_t size = sizeof value;

    CALL(name, getsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &value, &size), "%s%s", what, when);
    extra("value=%d", value);
}

/*
 * TCP_LINGER2 is the one option that a policy may change: lines of connections that it may
 * have armed begin with `armed`, or `overridden` where the application set a linger itself.
 */
static void try_linger2(const struct side *side, int value)
{
    struct linger off = {0, 0}, on = {1, 2};
    int fd = connected(side);

    ask_linger2("armed", fd, side->name, "");
    CALL("setsockopt", setsockopt(fd, SOL_SOCKET, SO_LINGER, &on, sizeof on), "SO_LINGER on");
    ask_linger2("overridden", fd, side->name, " with SO_LINGER");
    CALL("setsockopt", setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off),
         "SO_LINGER off");
    ask_linger2("armed", fd, side->name, " with SO_LINGER off again");
    CALL("setsockopt", setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &value, sizeof value),
         "TCP_LINGER2 %d", value);
    ask_linger2("overridden", fd, side->name, " with a TCP_LINGER2 of its own");
    CALL("setsockopt", setsockopt(fd, SOL_SOCKET, SO_LINGER, &on, sizeof on), "SO_LINGER on");
    ask_linger2("overridden", fd, side->name, " with both");
    clean(fd);
}

/* Sockets that are no connection: nobody changes the option. */
static void try_linger2_elsewhere(void)
{
    const struct address none = no_family();
    int fd;

    for (int i = 0; i < COUNT(others); i++) {
        fd = others[i].make();
        if (others[i].make != make_connecting && others[i].make != make_refused)
            ask_linger2("getsockopt", fd, others[i].name, "");
        clean_other(fd);
    }
    ask_linger2("getsockopt", listeners[0], "listener", "");
    fd = connected(&sides[0]);
    CALL("connect", connect(fd, &none.u.any, none.size), "AF_UNSPEC");
    ask_linger2("getsockopt", fd, "disconnected", "");
    clean(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    CALL("connect", connect(fd, &refusing_at.u.any, refusing_at.size), "refused");
    ask_linger2("getsockopt", fd, "refused", "");
    clean(fd);
}

/* SO_ERROR in less room than an int, behind which there is no memory. */
static void try_error_cut(const struct side *side)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    socklen_t size = 2;
    int fd = connected(side);

    if (pages == MAP_FAILED || mprotect(pages + 4096, 4096, PROT_NONE) < 0)
        die("mmap");
    CALL("getsockopt", getsockopt(fd, SOL_SOCKET, SO_ERROR, pages + 4094, &size),
         "SO_ERROR, %s, 2 bytes", side->name);
    extra("size=%u", (unsigned)size);
    clean(fd);
    (void)munmap(pages, 8192);
}

static void results_birth(void)
{
    try_socket();
    try_connects("connect", connect);
    try_connects("__connect", alias.connect);
    try_connect_fastopen();
    try_accepts("accept", accept);
    try_accepts("accept4", accept_by_4);
    try_accept_waiting("accept", accept);
    try_accept_waiting("accept4", accept_by_4);
    try_accept_flags();
    try_settings();
    for (int i = 0; i < SIDES * 2; i++)
        try_linger2(&sides[i / 2], i % 2 ? 5 : -1);
    try_linger2_elsewhere();
    try_error_cut(&sides[0]);
}

#endif
