/* peers' steps: a connection's calls, and how its story tells what they returned. */
#ifndef PEERS_STEPS_H
#define PEERS_STEPS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/sockios.h>

enum { MOST = 65536, WAIT_MS = 20000 };

struct peer {
    int fd;
    pthread_t thread;
    char story[512]; /* what its calls returned, so far */
};

struct verb {
    const char *usage; /* name, then :ARG */
    void (*run)(struct peer *p, const char *argument);
    const char *help;
};

struct step {
    const struct verb *verb;
    const char *argument;
};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "peers: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* --- the story --- */

static __attribute__((format(printf, 2, 3))) void tell(struct peer *p, const char *format, ...)
{
    size_t length = strlen(p->story);
    va_list list;

    va_start(list, format);
    (void)vsnprintf(p->story + length, sizeof p->story - length, format, list);
    va_end(list);
}

static void tell_result(struct peer *p, const char *what, long result)
{
    tell(p, "%s%s ", *p->story ? ", " : "", what);
    if (result < 0)
        tell(p, "%s", strerrorname_np(errno));
    else
        tell(p, "%ld", result);
}

static void tell_events(struct peer *p, const char *what, unsigned events)
{
    static const struct {
        unsigned event;
        const char *name;
    } names[] = {{POLLIN, "IN"},
                 {POLLOUT, "OUT"},
                 {POLLRDHUP, "RDHUP"},
                 {POLLERR, "ERR"},
                 {POLLHUP, "HUP"}};

    tell(p, "%s%s ", *p->story ? ", " : "", what);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (events & names[i].event)
            tell(p, "|%s", names[i].name);
}

/* --- waiting --- */

static void step_sleep(struct peer *p, const char *ms)
{
    long n = strtol(ms, NULL, 10);
    struct timespec time = {n / 1000, n % 1000 * 1000000};

    (void)p;
    (void)nanosleep(&time, NULL);
}

static void step_fin(struct peer *p, const char *none)
{
    struct pollfd one = {.fd = p->fd, .events = POLLRDHUP};

    (void)none;
    if (poll(&one, 1, WAIT_MS) != 1)
        tell(p, "no FIN ");
}

static void step_sync(struct peer *p, const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    (void)p;
    if (fd < 0)
        die(path);
    (void)close(fd);
}

static void step_wait_file(struct peer *p, const char *path)
{
    (void)p;
    for (int ms = 0; access(path, F_OK) != 0; ms++) {
        if (ms == WAIT_MS)
            die(path);
        step_sleep(NULL, "1");
    }
}

static int unread(const struct peer *p)
{
    int n = 0;

    (void)ioctl(p->fd, SIOCINQ, &n);
    return n;
}

static void step_wait_unread(struct peer *p, const char *bytes)
{
    for (int ms = 0; unread(p) < (int)strtol(bytes, NULL, 10) && ms < WAIT_MS; ms++)
        step_sleep(NULL, "1");
}

static int state_of(const struct peer *p)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;

    (void)getsockopt(p->fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    return info.tcpi_state;
}

static void step_wait_state(struct peer *p, const char *state)
{
    for (int ms = 0; state_of(p) != (int)strtol(state, NULL, 10) && ms < WAIT_MS; ms++)
        step_sleep(NULL, "1");
}

/* --- looking --- */

static void step_peername(struct peer *p, const char *none)
{
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;

    (void)none;
    tell_result(p, "getpeername", getpeername(p->fd, (struct sockaddr *)&peer, &size));
}

static void step_sockname(struct peer *p, const char *none)
{
    struct sockaddr_in own;
    socklen_t size = sizeof own;

    (void)none;
    tell_result(p, "getsockname", getsockname(p->fd, (struct sockaddr *)&own, &size));
}

static void step_error(struct peer *p, const char *none)
{
    int error = 0;
    socklen_t size = sizeof error;

    (void)none;
    tell_result(p, "getsockopt", getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size));
    tell(p, " %s", error ? strerrorname_np(error) : "no error");
}

static void step_info(struct peer *p, const char *none)
{
    (void)none;
    tell_result(p, "state", state_of(p));
}

static void step_queues(struct peer *p, const char *none)
{
    int in = 0, out = 0;

    (void)none;
    tell_result(p, "SIOCINQ", ioctl(p->fd, SIOCINQ, &in));
    tell(p, " %d", in);
    tell_result(p, "SIOCOUTQ", ioctl(p->fd, SIOCOUTQ, &out));
    tell(p, " %d", out);
}

static void step_poll(struct peer *p, const char *none)
{
    struct pollfd one = {.fd = p->fd, .events = POLLIN | POLLOUT | POLLRDHUP};

    (void)none;
    tell_result(p, "poll", poll(&one, 1, 0));
    tell_events(p, "events", (unsigned)one.revents);
}

static void step_epoll(struct peer *p, const char *none)
{
    struct epoll_event one = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP};
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    (void)none;
    tell_result(p, "epoll_ctl", epoll_ctl(epoll, EPOLL_CTL_ADD, p->fd, &one));
    one.events = 0;
    tell_result(p, "epoll_wait", epoll_wait(epoll, &one, 1, 0));
    tell_events(p, "events", one.events);
    (void)close(epoll);
}

static void step_select(struct peer *p, const char *none)
{
    fd_set r, w, x;
    struct timeval zero = {0, 0};

    (void)none;
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_ZERO(&x);
    FD_SET(p->fd, &r);
    FD_SET(p->fd, &w);
    FD_SET(p->fd, &x);
    tell_result(p, "select", select(p->fd + 1, &r, &w, &x, &zero));
    tell(p, "%s%s%s", FD_ISSET(p->fd, &r) ? " r" : "", FD_ISSET(p->fd, &w) ? " w" : "",
         FD_ISSET(p->fd, &x) ? " x" : "");
}

/* --- options --- */

static void set_option(struct peer *p, const char *name, int level, int option)
{
    int one = 1;

    tell_result(p, name, setsockopt(p->fd, level, option, &one, sizeof one));
}

static void step_nodelay(struct peer *p, const char *none)
{
    (void)none;
    set_option(p, "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY);
}

static void step_keepalive(struct peer *p, const char *none)
{
    (void)none;
    set_option(p, "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE);
}

static void step_linger(struct peer *p, const char *seconds)
{
    struct linger value = {1, (int)strtol(seconds, NULL, 10)};

    tell_result(p, "SO_LINGER", setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &value, sizeof value));
}

/* --- bytes --- */

/* At most so many as a step's buffer holds. */
static size_t size_of(const char *bytes)
{
    size_t n = (size_t)strtol(bytes, NULL, 10);

    return n < MOST ? n : MOST;
}

static void step_peek(struct peer *p, const char *bytes)
{
    char data[MOST];

    tell_result(p, "peek", recv(p->fd, data, size_of(bytes), MSG_PEEK));
}

static void step_read(struct peer *p, const char *bytes)
{
    char data[MOST];

    tell_result(p, "read", read(p->fd, data, size_of(bytes)));
}

/* Reads to the end, or until it has got so many bytes. */
static void read_until(struct peer *p, long most)
{
    char data[MOST];
    long sum = 0;
    ssize_t n = 1;

    while (n > 0 && sum < most) {
        n = read(p->fd, data, most - sum < MOST ? (size_t)(most - sum) : MOST);
        sum += n > 0 ? n : 0;
    }
    if (n <= 0)
        tell_result(p, "then read", n);
    tell(p, "%sread in all %ld", *p->story ? ", " : "", sum);
}

static void step_readn(struct peer *p, const char *bytes)
{
    read_until(p, strtol(bytes, NULL, 10));
}

static void step_readall(struct peer *p, const char *none)
{
    (void)none;
    read_until(p, LONG_MAX);
}

static void step_write(struct peer *p, const char *bytes)
{
    static const char data[MOST];

    tell_result(p, "write", write(p->fd, data, size_of(bytes)));
}

static void step_sendfile(struct peer *p, const char *bytes)
{
    size_t size = size_of(bytes);
    int file = memfd_create("peers", MFD_CLOEXEC);

    if (file < 0 || ftruncate(file, (off_t)size) != 0)
        die("memfd_create");
    tell_result(p, "sendfile", sendfile(p->fd, file, NULL, size));
    (void)close(file);
}

static void step_splice(struct peer *p, const char *bytes)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        die("pipe2");
    tell_result(p, "splice", splice(p->fd, NULL, ends[1], NULL, size_of(bytes), 0));
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void step_splice_out(struct peer *p, const char *bytes)
{
    static const char data[MOST];
    size_t size = size_of(bytes);
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0 || write(ends[1], data, size) != (ssize_t)size)
        die("pipe2");
    tell_result(p, "splice", splice(ends[0], NULL, p->fd, NULL, size, 0));
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* --- the end --- */

static void step_shutdown(struct peer *p, const char *how)
{
    tell_result(p, "shutdown", shutdown(p->fd, (int)strtol(how, NULL, 10)));
}

static void step_close(struct peer *p, const char *none)
{
    (void)none;
    tell_result(p, "close", close(p->fd));
}

#endif
