/* act's steps that make, connect and configure sockets, and name other fds. */
#ifndef ACT_SOCKET_H
#define ACT_SOCKET_H

#include "act.h"

#include <fcntl.h>
#include <linux/tcp.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* --- registers --- */

static void step_use(struct act *a, const struct step *s)
{
    a->current = to_register(s->arg[0]);
}

static void step_fd(struct act *a, const struct step *s)
{
    *slot(a, s) = number(s, 0);
}

static void step_again(struct act *a, const struct step *s)
{
    *slot(a, s) = a->last;
}

static void step_inherit(struct act *a, const struct step *s)
{
    const char *fd = getenv("ACT_FD");

    *slot(a, s) = fd ? (int)to_number(fd) : -1;
}

static void step_expect_open(struct act *a, const struct step *s)
{
    report(a, s, raw_syscall(SYS_fcntl, fd_argument(a, s, 0), F_GETFD));
}

/* --- birth --- */

static void step_socket(struct act *a, const struct step *s)
{
    static const struct {
        const char *name;
        int family, type, protocol;
    } kinds[] = {
        {"tcp4", AF_INET, SOCK_STREAM, 0},
        {"tcp6", AF_INET6, SOCK_STREAM, 0},
        {"udp", AF_INET, SOCK_DGRAM, 0},
        {"unix", AF_UNIX, SOCK_STREAM, 0},
        {"mptcp", AF_INET, SOCK_STREAM, IPPROTO_MPTCP},
    };
    const char *kind = s->args ? s->arg[0] : "tcp4";

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kind, kinds[i].name) == 0) {
            *slot(a, s) = socket(kinds[i].family, kinds[i].type, kinds[i].protocol);
            report(a, s, *slot(a, s));
            return;
        }
    }
    die("'%s' is no kind of socket", kind);
}

/* The step's fd; a new stream socket of the address's family where there is none. */
static int ready_socket(struct act *a, const struct step *s, const struct address *to)
{
    int *fd = slot(a, s);

    if (*fd < 0)
        *fd = socket(to->u.any.sa_family, SOCK_STREAM, 0);
    return *fd;
}

static int bind_to(struct act *a, const struct step *s)
{
    struct address to = address_argument(s);
    int fd = ready_socket(a, s, &to);
    int on = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, &to.u.any, to.size);
}

static void step_bind(struct act *a, const struct step *s)
{
    report(a, s, bind_to(a, s));
}

static int local_port(int fd)
{
    struct address own = {.size = sizeof own.u};

    if (getsockname(fd, &own.u.any, &own.size) < 0)
        return -1;
    /* The port is at the same place for both families, and 0 for the others. */
    return own.u.any.sa_family == AF_UNIX ? 0 : ntohs(own.u.v4.sin_port);
}

static void step_listen(struct act *a, const struct step *s)
{
    int *fd = slot(a, s);

    if ((s->args && bind_to(a, s) < 0) || listen(*fd, 4096) < 0) {
        report(a, s, -1);
        return;
    }
    report(a, s, local_port(*fd));
    if (fd != &a->reg[LISTENER]) {
        a->reg[LISTENER] = *fd;
        *fd = -1;
    }
}

static void step_accept(struct act *a, const struct step *s)
{
    *slot(a, s) = accept(a->reg[LISTENER], NULL, NULL);
    report(a, s, *slot(a, s));
}

static void step_accept4(struct act *a, const struct step *s)
{
    bool nonblock = s->args && strcmp(s->arg[0], "nonblock") == 0;
    int flags = SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0);

    *slot(a, s) = accept4(a->reg[LISTENER], NULL, NULL, flags);
    report(a, s, *slot(a, s));
}

static void step_connect(struct act *a, const struct step *s)
{
    struct address to = address_argument(s);
    int fd = ready_socket(a, s, &to);

    report(a, s, connect(fd, &to.u.any, to.size));
}

static void set_nonblock(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    (void)fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

static void step_connect_nonblock(struct act *a, const struct step *s)
{
    struct address to = address_argument(s);

    set_nonblock(ready_socket(a, s, &to), true);
    step_connect(a, s);
}

static void step_connect_unspec(struct act *a, const struct step *s)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};

    report(a, s, connect(*slot(a, s), &none, sizeof none));
}

/* Both TFO ways send data with the SYN: sendto(MSG_FASTOPEN) is birth, too. */
static void step_fastopen(struct act *a, const struct step *s)
{
    struct address to = to_address(s->arg[0], s->arg[1]);
    size_t size = (size_t)number(s, 2);
    int fd = ready_socket(a, s, &to);
    void *data = calloc(1, size + 1);

    report(a, s, sendto(fd, data, size, MSG_FASTOPEN, &to.u.any, to.size));
    free(data);
}

static void step_socketpair(struct act *a, const struct step *s)
{
    int pair[2] = {-1, -1};
    int result = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);

    *slot(a, s) = pair[0];
    *named(a, s, 0) = pair[1];
    report(a, s, result);
}

static void step_pipe(struct act *a, const struct step *s)
{
    int pair[2] = {-1, -1};
    int result = pipe(pair);

    *slot(a, s) = pair[0];
    *named(a, s, 0) = pair[1];
    report(a, s, result);
}

static void step_open(struct act *a, const struct step *s)
{
    *slot(a, s) = open(s->text, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    report(a, s, *slot(a, s));
}

/* --- copies --- */

static void step_dup(struct act *a, const struct step *s)
{
    int fd = dup(*slot(a, s));

    *named(a, s, 0) = fd;
    report(a, s, fd);
}

static void step_dup2(struct act *a, const struct step *s)
{
    int fd = dup2(*slot(a, s), (int)fd_argument(a, s, 0));

    report(a, s, fd);
    if (s->args > 1)
        *named(a, s, 1) = fd;
}

static void step_dup3(struct act *a, const struct step *s)
{
    int flags = s->args > 1 && strcmp(s->arg[1], "cloexec") == 0 ? O_CLOEXEC : number(s, 1);

    report(a, s, dup3(*slot(a, s), (int)fd_argument(a, s, 0), flags));
}

static void step_fcntl_dupfd(struct act *a, const struct step *s)
{
    int fd = fcntl(*slot(a, s), F_DUPFD, number(s, 1));

    *named(a, s, 0) = fd;
    report(a, s, fd);
}

static void step_fcntl64_dupfd(struct act *a, const struct step *s)
{
    int fd = fcntl64(*slot(a, s), F_DUPFD, number(s, 1));

    *named(a, s, 0) = fd;
    report(a, s, fd);
}

static void step_fcntl_dupfd_cloexec(struct act *a, const struct step *s)
{
    int fd = fcntl(*slot(a, s), F_DUPFD_CLOEXEC, number(s, 1));

    *named(a, s, 0) = fd;
    report(a, s, fd);
}

/* --- options --- */

static void step_nonblock(struct act *a, const struct step *s)
{
    set_nonblock(*slot(a, s), true);
}

static void step_block(struct act *a, const struct step *s)
{
    set_nonblock(*slot(a, s), false);
}

static void step_option(struct act *a, const struct step *s)
{
    int value = (int)number_or(s, 0, 1);

    report(a, s,
           setsockopt(*slot(a, s), s->verb->level, s->verb->option, &value, sizeof value));
}

static void step_get_option(struct act *a, const struct step *s)
{
    int value = 0;
    socklen_t size = sizeof value;

    if (getsockopt(*slot(a, s), s->verb->level, s->verb->option, &value, &size) < 0)
        report(a, s, -1);
    else
        say(a, s, "%d", value);
}

static void step_linger(struct act *a, const struct step *s)
{
    struct linger value = {number(s, 0), number(s, 1)};

    report(a, s, setsockopt(*slot(a, s), SOL_SOCKET, SO_LINGER, &value, sizeof value));
}

static void step_getlinger(struct act *a, const struct step *s)
{
    struct linger value = {0};
    socklen_t size = sizeof value;

    if (getsockopt(*slot(a, s), SOL_SOCKET, SO_LINGER, &value, &size) < 0)
        report(a, s, -1);
    else
        say(a, s, "%d:%d", value.l_onoff, value.l_linger);
}

/* --- names --- */

static void say_address(struct act *a, const struct step *s, const struct address *of)
{
    char text[INET6_ADDRSTRLEN] = "";

    if (of->u.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &of->u.v4.sin_addr, text, sizeof text);
        say(a, s, "%s:%d", text, ntohs(of->u.v4.sin_port));
    } else if (of->u.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &of->u.v6.sin6_addr, text, sizeof text);
        say(a, s, "[%s]:%d", text, ntohs(of->u.v6.sin6_port));
    } else {
        say(a, s, "family %d", of->u.any.sa_family);
    }
}

static void step_sockname(struct act *a, const struct step *s)
{
    struct address own = {.size = sizeof own.u};

    if (getsockname(*slot(a, s), &own.u.any, &own.size) < 0)
        report(a, s, -1);
    else
        say_address(a, s, &own);
}

static void step_peername(struct act *a, const struct step *s)
{
    struct address peer = {.size = sizeof peer.u};

    if (getpeername(*slot(a, s), &peer.u.any, &peer.size) < 0)
        report(a, s, -1);
    else
        say_address(a, s, &peer);
}

#endif
