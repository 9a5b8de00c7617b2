/* results: the calls that copy and close fds. */
#ifndef RESULTS_CLOSE_H
#define RESULTS_CLOSE_H

#include "results_others.h"

#include <sys/resource.h>

enum { HIGH = 600 }; /* above all fds in use */

#define CLOEXEC_RANGE (1 << 2) /* CLOSE_RANGE_CLOEXEC */
#define UNSHARE_RANGE (1 << 1) /* CLOSE_RANGE_UNSHARE */

/* What a call that ends no connection has to leave: bytes, options. */
static void extra_alive(int fd)
{
    extra_linger(fd);
    if (peer >= 0) {
        extra("write=%zd", write(fd, hello, 5));
        raw_send(peer);
        wait_ready(fd, POLLIN);
        extra("read=%zd", read(fd, (char[8]){0}, 8));
    }
}

/* --- copies --- */

typedef int dup2_call(int old, int new);

static int dup2_by_dup3(int old, int new)
{
    return dup3(old, new, O_CLOEXEC);
}

struct copier {
    const char *name;
    dup2_call *call;
};

static int dup2_by_alias(int old, int new)
{
    return alias.dup2(old, new);
}

static const struct copier copiers[] = {
    {"dup2", dup2},
    {"dup3", dup2_by_dup3},
    {"__dup2", dup2_by_alias},
};

/* fd as the old and as the new one. */
static void try_dup2(const struct copier *c, int fd, const char *what)
{
    static const int wrong[] = {NO_FD, -1, INT_MAX};
    int null = make_null_write();

    for (int i = 0; i < COUNT(wrong); i++) {
        CALL(c->name, c->call(wrong[i], fd), "%d over %s", wrong[i], what);
        extra_alive(fd);
        if (wrong[i] != NO_FD)
            CALL(c->name, c->call(fd, wrong[i]), "%s over %d", what, wrong[i]);
    }
    CALL(c->name, c->call(fd, fd), "%s over itself", what);
    extra_alive(fd);
    CALL(c->name, c->call(fd, HIGH), "%s over nothing", what);
    extra_open(HIGH);
    CALL(c->name, c->call(fd, HIGH), "%s over its copy", what);
    CALL("close", close(HIGH), "copy of %s", what);
    extra_alive(fd);
    CALL(c->name, c->call(null, fd), "a file over %s", what);
    if (fd >= 0)
        extra_open(fd);
    (void)close(null);
}

static void try_dup(int fd, const char *what)
{
    int copy;

    CALL("dup", copy = dup(fd), "%s", what);
    if (copy >= 0)
        CALL("close", close(copy), "copy of %s", what);
    CALL("dup3", dup3(fd, HIGH, 99), "%s, flags 99", what);
    CALL("dup3", dup3(NO_FD, fd, 99), "over %s, flags 99", what);
    extra_alive(fd);
    CALL("close", close(fd), "%s", what);
}

typedef int fcntl_call(int fd, int command, ...);

struct command {
    const char *name;
    int command;
    long argument;
};

static const struct command commands[] = {
    {"F_DUPFD", F_DUPFD, HIGH},
    {"F_DUPFD -1", F_DUPFD, -1},
    {"F_DUPFD INT_MAX", F_DUPFD, INT_MAX},
    {"F_DUPFD_CLOEXEC", F_DUPFD_CLOEXEC, HIGH},
    {"F_DUPFD_CLOEXEC -1", F_DUPFD_CLOEXEC, -1},
    {"F_GETFD", F_GETFD, 0},
    {"F_SETFD", F_SETFD, FD_CLOEXEC},
    {"F_GETFL", F_GETFL, 0},
    {"F_SETFL", F_SETFL, O_NONBLOCK},
    {"F_GETFL again", F_GETFL, 0},
    {"F_GETOWN", F_GETOWN, 0},
    {"F_SETPIPE_SZ -1", F_SETPIPE_SZ, -1},
    {"unknown command", 9999, 0},
};

static void try_fcntl(const char *name, fcntl_call *call, int fd, const char *what)
{
    for (int i = 0; i < COUNT(commands); i++) {
        const struct command *c = &commands[i];

        CALL(name, call(fd, c->command, c->argument), "%s, %s", what, c->name);
        if (c->argument == HIGH) {
            extra_open(HIGH);
            (void)close(HIGH);
        }
    }
    CALL(name, call(fd, F_GETLK, bad), "%s, F_GETLK, bad lock", what);
    extra_alive(fd);
}

/* --- close, close_range, closefrom --- */

static int close_by_alias(int fd)
{
    return alias.close(fd);
}

static int close_by_range(int fd)
{
    return close_range((unsigned)fd, (unsigned)fd, 0);
}

static int close_by_range_unshare(int fd)
{
    return close_range((unsigned)fd, (unsigned)fd, UNSHARE_RANGE);
}

/* closefrom() takes all above, too: fd goes to where nothing is above. */
static int close_by_closefrom(int fd)
{
    int high = fcntl(fd, F_DUPFD, HIGH);

    if (high < 0)
        return -1;
    (void)close(fd);
    errno = UNTOUCHED;
    closefrom(high);
    return 0;
}

static const struct closer {
    const char *name;
    int (*call)(int fd);
} closers[] = {
    {"close", close},
    {"__close", close_by_alias},
    {"close_range", close_by_range},
    {"close_range UNSHARE", close_by_range_unshare},
    {"closefrom", close_by_closefrom},
};

static void try_close(const struct closer *c, int fd, const char *what)
{
    if (fd < 0 && c->call != close && c->call != close_by_alias)
        return;
    CALL(c->name, c->call(fd), "%s", what);
    if (fd >= 0 && fd <= NO_FD)
        extra_open(fd);
    CALL(c->name, c->call(fd), "%s, again", what);
}

/* Calls that close nothing, or not yet. */
static void try_no_close(int fd, const char *what)
{
    unsigned n = (unsigned)fd;

    if (fd < 0)
        return;
    CALL("close_range", close_range(n + 1, n, 0), "%s, first > last", what);
    CALL("close_range", close_range(n, n, 64), "%s, flags 64", what);
    CALL("close_range", close_range(n, n, -1), "%s, flags -1", what);
    CALL("close_range", close_range(n, n, CLOEXEC_RANGE), "%s, CLOEXEC", what);
    if (fd <= NO_FD)
        extra_open(fd);
    CALL("close_range", close_range(HIGH, HIGH + 9, 0), "nothing");
    CALL("close_range", close_range(~0U, ~0U, 0), "nothing at the end");
    extra_alive(fd);
}

#endif
