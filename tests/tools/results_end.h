/* results: the ends by stdio, and the ends where no fd is left. */
#ifndef RESULTS_END_H
#define RESULTS_END_H

#include "results_close.h"

/* --- stdio --- */

/* A stream over a copy of fd, so that the number is the same for all. */
static FILE *stream_over(int fd, const char *mode)
{
    FILE *stream = fdopen(fd, mode);

    if (!stream)
        die("fdopen");
    return stream;
}

static int fclose_by_alias(FILE *stream)
{
    return alias.fclose(stream);
}

static int freopen_to_null(FILE *stream)
{
    FILE *now = freopen("/dev/null", "w", stream);

    return now ? fclose(now) : -1;
}

static int freopen64_to_null(FILE *stream)
{
    FILE *now = freopen64("/dev/null", "w", stream);

    return now ? fclose(now) : -1;
}

static int freopen_nowhere(FILE *stream)
{
    return freopen("/nonexistent/file", "w", stream) ? 0 : -1;
}

static int freopen64_wrong_mode(FILE *stream)
{
    return freopen64("/dev/null", "?", stream) ? 0 : -1;
}

static int freopen_same(FILE *stream)
{
    return freopen(NULL, "w", stream) ? 0 : -1;
}

static int freopen64_same(FILE *stream)
{
    return freopen64(NULL, "r", stream) ? 0 : -1;
}

static const struct stream_closer {
    const char *name;
    int (*call)(FILE *stream);
} stream_closers[] = {
    {"fclose", fclose},
    {"_IO_fclose", fclose_by_alias},
    {"freopen to a file", freopen_to_null},
    {"freopen64 to a file", freopen64_to_null},
    {"freopen to nowhere", freopen_nowhere},
    {"freopen64 with a wrong mode", freopen64_wrong_mode},
    {"freopen without a path", freopen_same},
    {"freopen64 without a path", freopen64_same},
};

enum pending { NOTHING, OUTPUT, INPUT, CLOSED, PENDINGS };

static const char *const pendings[] = {"", " with output", " with input", " closed behind it"};

static void try_stream_on(const struct stream_closer *c, int fd, enum pending pending,
                          const char *what)
{
    FILE *stream = stream_over(fd, pending == INPUT ? "r" : "w");

    if (pending == OUTPUT)
        (void)fputs(hello, stream);
    if (pending == INPUT)
        (void)getc(stream);
    if (pending == CLOSED)
        raw_close(fd);
    CALL(c->name, c->call(stream), "%s%s", what, pendings[pending]);
    extra_open(fd);
    if (peer >= 0 && pending == OUTPUT) {
        struct pollfd wait = {.fd = peer, .events = POLLIN};

        (void)poll(&wait, 1, PATIENCE_MS);
        extra("peer=%ld", raw_syscall(SYS_recvfrom, peer, (char[8]){0}, 8, MSG_DONTWAIT, 0, 0));
    }
}

static void try_stream_of(const struct stream_closer *c, const struct side *side,
                          enum pending pending, void (*bring)(int fd), const char *what)
{
    int fd = connected(side);

    if (pending == INPUT)
        bring_data(fd);
    bring(fd);
    try_stream_on(c, fd, pending, what);
    clean(-1);
}

static void try_stream(const struct stream_closer *c, enum pending pending)
{
    for (int i = 0; i < SIDES; i++)
        try_stream_of(c, &sides[i], pending, bring_idle, sides[i].name);
    try_stream_of(c, &sides[0], pending, bring_shut_wr, "after SHUT_WR");
    try_stream_on(c, make_file(), pending, "file");
    try_stream_on(c, make_full_device(), pending, "full device");
}

/* A stream without an fd (freopen() of one is not defined). */
static void try_stream_of_memory(const struct stream_closer *c)
{
    FILE *stream = fmemopen(NULL, 64, "w");

    (void)fputs(hello, stream);
    CALL(c->name, c->call(stream), "memory");
}

/* --- no fds left --- */

static FILE *open_shell(const char *command, const char *mode)
{
    return popen(command, mode); /* NOLINT(cert-env33-c): what is tried */
}

static int lowest_free(void)
{
    int fd = (int)raw_syscall(SYS_dup, 0);

    raw_close(fd);
    return fd;
}

static void try_without_fds(void)
{
    struct rlimit limit, none;
    int fd = connected(&sides[0]), left = peer;
    FILE *stream;

    arrive(0);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = (rlim_t)lowest_free();
    (void)setrlimit(RLIMIT_NOFILE, &none);
    CALL("socket", socket(AF_INET, SOCK_STREAM, 0), "no fds left");
    CALL("__socket", alias.socket(AF_INET, SOCK_STREAM, 0), "no fds left");
    CALL("accept", accept(listeners[0], NULL, NULL), "no fds left");
    CALL("accept4", accept4(listeners[0], NULL, NULL, 0), "no fds left");
    CALL("dup", dup(fd), "no fds left");
    CALL("dup2", dup2(fd, (int)none.rlim_cur), "no fds left");
    CALL("dup3", dup3(fd, (int)none.rlim_cur, 0), "no fds left");
    CALL("fcntl", fcntl(fd, F_DUPFD, 0), "no fds left");
    CALL("fcntl64", fcntl64(fd, F_DUPFD_CLOEXEC, 0), "no fds left");
    CALL("__fcntl", alias.fcntl(fd, F_DUPFD, 0), "no fds left");
    CALL("popen", (stream = open_shell("true", "r")) ? 0 : -1, "no fds left");
    if (stream)
        (void)pclose(stream);
    none.rlim_cur = 3;
    (void)setrlimit(RLIMIT_NOFILE, &none);
    CALL("dup2", dup2(0, fd), "over a connection beyond the limit");
    CALL("dup3", dup3(0, fd, 0), "over a connection beyond the limit");
    extra_linger(fd);
    CALL("write", write(fd, hello, 5), "beyond the limit");
    CALL("close", close(fd), "beyond the limit");
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    raw_reset(left);
    CALL("accept", fd = accept(listeners[0], NULL, NULL), "fds again");
    clean(fd);
}

/* --- all of them --- */

static void try_ends(int fd, int which, const char *what)
{
    int copier = which, closer = which - COUNT(copiers);

    if (copier < COUNT(copiers))
        try_dup2(&copiers[copier], fd, what);
    else if (closer < COUNT(closers))
        try_close(&closers[closer], fd, what);
    else if (closer == COUNT(closers))
        try_dup(fd, what);
    else
        try_no_close(fd, what);
}

enum { END_WAYS = COUNT(copiers) + COUNT(closers) + 2 };

static void try_fcntls(int fd, const char *what)
{
    try_fcntl("fcntl", fcntl, fd, what);
    try_fcntl("fcntl64", fcntl64, fd, what);
    try_fcntl("__fcntl", alias.fcntl, fd, what);
}

static void results_end(void)
{
    for (int i = 0; i < SIDES * (END_WAYS + 1); i++) {
        const struct side *side = &sides[i / (END_WAYS + 1)];
        int fd = connected(side), way = i % (END_WAYS + 1);

        if (way < END_WAYS)
            try_ends(fd, way, side->name);
        else
            try_fcntls(fd, side->name);
        clean(fd);
    }
    for (int i = 0; i < COUNT(others) * (END_WAYS + 1); i++) {
        const struct other *other = &others[i / (END_WAYS + 1)];
        int fd = other->make(), way = i % (END_WAYS + 1);

        if (way < END_WAYS)
            try_ends(fd, way, other->name);
        else
            try_fcntls(fd, other->name);
        clean_other(fd);
    }
    for (int i = 0; i < COUNT(stream_closers) * PENDINGS; i++)
        try_stream(&stream_closers[i / PENDINGS], (enum pending)(i % PENDINGS));
    try_stream_of_memory(&stream_closers[0]);
    try_stream_of_memory(&stream_closers[1]);
    try_without_fds();
}

#endif
