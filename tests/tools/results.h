/*
 * results' core: the lines it prints, the peers' calls, and the other names of libc's
 * functions.
 *
 * Peers are made and moved by raw system calls: a preloaded library does not know them, so that
 * what a call returns on our side does not depend on how it would have armed or closed the
 * peer.
 */
#ifndef RESULTS_H
#define RESULTS_H

#include "calls.h"

#include "raw.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    UNTOUCHED = 1234, /* errno before each call */
    NO_FD = 900,      /* a number that is never open */
    WANTED = 16,      /* bytes asked for */
    PIECE_MS = 3,     /* of a time-out, or until a signal */
    PATIENCE_MS = 5000,
};

static const char hello[] = "hello";
static void *bad; /* an address that can neither be read nor written */

static _Noreturn void die(const char *what)
{
    int error = errno;

    (void)fflush(stdout);
    (void)fprintf(stderr, "\nresults: %s: %s\n", what, strerror(error));
    _exit(2);
}

/* --- lines --- */

static volatile sig_atomic_t sigpipes;

static void on_sigpipe(int sig)
{
    (void)sig;
    sigpipes = 1;
}

static const char *error_name(int error)
{
    const char *name = strerrorname_np(error);

    return name ? name : "?";
}

/* More outputs of the call that was reported last. */
#define extra(...) ((void)printf(" " __VA_ARGS__))

/* A success that touched errno shows it. */
static __attribute__((format(printf, 4, 5))) void report(const char *function, long result,
                                                         int error, const char *situation, ...)
{
    va_list list;

    printf("\n%s ", function);
    va_start(list, situation);
    vprintf(situation, list);
    va_end(list);
    printf(": %ld", result);
    if (result < 0)
        extra("%s", error_name(error));
    else if (error != UNTOUCHED)
        extra("errno=%s", error_name(error));
    if (sigpipes)
        extra("SIGPIPE");
    sigpipes = 0;
}

/* CALL(name, expression, situation...): makes the call and prints its line. */
#define CALL(name, call, ...)                                                                  \
    do {                                                                                       \
        errno = UNTOUCHED;                                                                     \
        long result_ = (long)(call);                                                           \
        report(name, result_, errno, __VA_ARGS__);                                             \
    } while (0)

/* SO_LINGER: no call but setsockopt() may change it. */
static void extra_linger(int fd)
{
    struct linger now = {0};
    socklen_t size = sizeof now;

    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &now, &size) == 0)
        extra("linger=%d:%d", now.l_onoff, now.l_linger);
}

/* Whether fd is open: 1, 0; and its flag FD_CLOEXEC. */
static void extra_open(int fd)
{
    long flags = raw_syscall(SYS_fcntl, fd, F_GETFD);

    extra("fd%d=%s", fd, flags < 0 ? "closed" : flags & FD_CLOEXEC ? "cloexec" : "open");
}

/* --- signals that interrupt --- */

static void on_alarm(int sig)
{
    (void)sig;
}

static void interrupt_every(long ms)
{
    struct timeval piece = {0, ms * 1000};
    struct itimerval timer = {piece, piece};

    (void)setitimer(ITIMER_REAL, &timer, NULL);
}

/* A call that is interrupted at PIECE_MS, again and again: it may begin late. */
#define INTERRUPTED(name, call, ...)                                                           \
    do {                                                                                       \
        interrupt_every(PIECE_MS);                                                             \
        CALL(name, call, __VA_ARGS__);                                                         \
        interrupt_every(0);                                                                    \
    } while (0)

static void handle(int sig, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler}; /* without SA_RESTART */

    (void)sigaction(sig, &action, NULL);
}

/* --- other names of libc's functions; entry_points.def has them as ALIAS --- */

#define ALIASES(each)                                                                          \
    each(socket) each(connect) each(read) each(recv) each(write) each(send) each(sendmmsg)     \
        each(fcntl) each(close) each(dup2)

static struct {
#define MEMBER(name) __typeof__ (&(name))(name);
    ALIASES(MEMBER)
    __typeof__(&fclose) fclose;
} alias;

/* Some are private to some versions of libc: then the plain function stands in. */
static void find_alias(void *slot, const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);

    if (found)
        memcpy(slot, &found, sizeof found);
}

static void find_aliases(void)
{
#define FIND(name)                                                                             \
    alias.name = (name);                                                                       \
    find_alias(&alias.name, "__" #name);
    ALIASES(FIND)
    alias.fclose = fclose;
    find_alias(&alias.fclose, "_IO_fclose");
}

/* --- raw calls, for the peers --- */

static void raw_close(int fd)
{
    (void)raw_syscall(SYS_close, fd);
}

/* Closes with RST: nothing is left behind, and our side is in CLOSE. */
static void raw_reset(int fd)
{
    struct linger abort = {1, 0};

    (void)raw_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    raw_close(fd);
}

static int raw_socket(int family, int type)
{
    return (int)raw_syscall(SYS_socket, family, type, 0);
}

static int raw_connect(int fd, const struct address *to)
{
    return (int)raw_syscall(SYS_connect, fd, &to->u, to->size);
}

static int raw_accept(int fd)
{
    return (int)raw_syscall(SYS_accept4, fd, NULL, NULL, 0);
}

static void raw_send(int fd)
{
    if (raw_syscall(SYS_write, fd, hello, strlen(hello)) != (long)strlen(hello))
        die("raw write");
}

/* Sends until no byte more fits; returns how many did. */
static long raw_fill(int fd)
{
    static const char zeros[4096];
    long total = 0;

    for (size_t piece = sizeof zeros; piece > 0; piece = piece > 1 ? 1 : 0) {
        long n;

        while ((n = raw_syscall(SYS_sendto, fd, zeros, piece, MSG_DONTWAIT, NULL, 0)) > 0)
            total += n;
    }
    return total;
}

static void wait_ready(int fd, short events)
{
    struct pollfd wait = {.fd = fd, .events = events};

    if (poll(&wait, 1, PATIENCE_MS) != 1)
        die("poll");
}

#endif
