/*
 * stress' words: the echo server, an exchange with it, and a small generator of random numbers.
 */
#ifndef STRESS_H
#define STRESS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/** Ends the process with a message unless the condition holds. */
#define REQUIRE(condition)                                                                     \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            dprintf(2, "stress: line %d: %s (errno %d)\n", __LINE__, #condition, errno);       \
            _exit(1);                                                                          \
        }                                                                                      \
    } while (0)

static struct sockaddr_in server_at;
static _Atomic long exchanges;

static unsigned roll(uint64_t *seed, unsigned sides)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*seed >> 33) % sides;
}

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/** Sends back what comes, until each peer's end; never returns. */
static void echo_for_ever(int listener)
{
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    while (epoll_wait(epoll, &event, 1, -1) >= 0 || errno == EINTR) {
        if (event.data.fd == listener) {
            event.data.fd = accept(listener, NULL, NULL);
            epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
            continue;
        }
        char buf[4096];
        ssize_t n = read(event.data.fd, buf, sizeof(buf));
        if (n <= 0 || write(event.data.fd, buf, (size_t)n) != n)
            close(event.data.fd);
    }
    _exit(1);
}

/** A sanitizer's (sanitizer/common_interface_defs.h). */
__attribute__((weak)) void __sanitizer_symbolize_pc(void *pc, const char *format, char *to,
                                                    size_t size);

/**
 * A sanitizer's runtime opens and closes the files that have symbols when it reports something
 * for the first time, and by the names that a preloaded library has. Where that is watched,
 * too, it may have a race to report in this close(), and waits for itself. So once before.
 */
static void read_symbols(void)
{
    char name[64];
    if (__sanitizer_symbolize_pc)
        __sanitizer_symbolize_pc(__builtin_return_address(0), "%f", name, sizeof(name));
}

/** Starts the echo server in a process of its own, which ends with this one's. */
static pid_t start_server(void)
{
    read_symbols();
    socklen_t len = sizeof(server_at);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    server_at =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    REQUIRE(bind(listener, (struct sockaddr *)&server_at, sizeof(server_at)) == 0);
    REQUIRE(listen(listener, 4096) == 0);
    REQUIRE(getsockname(listener, (struct sockaddr *)&server_at, &len) == 0);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(120);
        echo_for_ever(listener);
    }
    close(listener);
    return pid;
}

static void read_exactly(int fd, char *buf, size_t n)
{
    while (n > 0) {
        ssize_t r = read(fd, buf, n);
        if (r < 0 && errno == EINTR)
            continue;
        REQUIRE(r > 0);
        buf += r;
        n -= (size_t)r;
    }
}

static int connected(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    /* EINTR: it goes on by itself; the first write waits for it. */
    int r = connect(fd, (struct sockaddr *)&server_at, sizeof(server_at));
    if (r != 0 && errno == EINTR) {
        do
            r = connect(fd, (struct sockaddr *)&server_at, sizeof(server_at));
        while (r != 0 && (errno == EINTR || errno == EALREADY));
        r = r != 0 && errno == EISCONN ? 0 : r;
    }
    REQUIRE(r == 0);
    return fd;
}

/** One request, one reply, byte for byte the same. */
static void exchange(int fd, uint64_t *seed)
{
    char sent[1024];
    char received[1024];
    size_t n = 1 + roll(seed, sizeof(sent));
    memset(sent, (int)roll(seed, 256), n);
    ssize_t w;
    do
        w = write(fd, sent, n);
    while (w < 0 && errno == EINTR);
    REQUIRE(w == (ssize_t)n);
    read_exactly(fd, received, n);
    REQUIRE(memcmp(sent, received, n) == 0);
    atomic_fetch_add(&exchanges, 1);
}

/** Closes a connection in one of the ways that there are. */
static void close_somehow(int fd, uint64_t *seed)
{
    FILE *stream;
    int other;
    switch (roll(seed, 7)) {
    case 0:
        REQUIRE(shutdown(fd, SHUT_WR) == 0);
        REQUIRE(close(fd) == 0);
        break;
    case 1:
        REQUIRE((other = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0);
        REQUIRE(dup2(other, fd) == fd);
        REQUIRE(close(other) == 0);
        REQUIRE(close(fd) == 0);
        break;
    case 2:
        REQUIRE((stream = fdopen(fd, "r+")) && fclose(stream) == 0);
        break;
    case 3:
        REQUIRE(close_range((unsigned)fd, (unsigned)fd, 0) == 0);
        break;
    case 4:
        REQUIRE((other = dup(fd)) >= 0);
        REQUIRE(close(fd) == 0);
        REQUIRE(close(other) == 0);
        break;
    default:
        REQUIRE(close(fd) == 0);
    }
}

/** A file that is written, read back and closed. */
static void use_file(uint64_t *seed)
{
    char sent[256];
    char received[256];
    int fd = memfd_create("stress", MFD_CLOEXEC);
    REQUIRE(fd >= 0);
    memset(sent, (int)roll(seed, 256), sizeof(sent));
    REQUIRE(write(fd, sent, sizeof(sent)) == sizeof(sent));
    REQUIRE(lseek(fd, 0, SEEK_SET) == 0);
    read_exactly(fd, received, sizeof(received));
    REQUIRE(memcmp(sent, received, sizeof(sent)) == 0);
    REQUIRE(close(fd) == 0);
}

#endif
