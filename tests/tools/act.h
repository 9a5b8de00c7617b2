/*
 * act's core: the script's state, the arguments of a step, and the lines it prints.
 *
 * Lines are written by raw system calls, and so is all that merely observes (act_watch.h): a
 * preloaded library sees the calls that the script names, and no others.
 */
#ifndef ACT_H
#define ACT_H

#include "calls.h"

#include "raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { REGISTERS = 26, MAX_ARGS = 4, LISTENER = 'l' - 'a' };

/* One thread of the script. A fork or a thread continues with a copy. */
struct act {
    int pc;             /* the step that runs */
    int current;        /* register that the steps work on, unless they end in @x */
    int reg[REGISTERS]; /* fds, -1: none */
    int last;           /* the number closed last */
    FILE *stream;       /* of fdopen */
    const char *prefix; /* of its lines */
    int quiet;          /* > 0: print nothing */
    long errors;        /* calls that failed */
    char first[64];     /* the first of them */
};

struct step {
    const struct verb *verb;
    const char *text;    /* all after the first colon */
    char *copy;          /* the same, split at colons; the brackets of [::1] removed */
    char *arg[MAX_ARGS]; /* the parts of the copy */
    int args;
    int reg;   /* of @x, or -1 */
    int match; /* of a block: index of its end */
};

typedef ssize_t transfer(int fd, void *buf, size_t n);

struct verb {
    const char *usage; /* name, then :ARG, [:ARG] where optional */
    const char *help;
    void (*run)(struct act *a, const struct step *s);
    transfer *call;    /* of the steps that move bytes */
    int level, option; /* of the steps that set a socket option */
};

static size_t verb_length(const struct verb *v)
{
    return strcspn(v->usage, ":[ ");
}

static _Noreturn __attribute__((format(printf, 1, 2))) void die(const char *format, ...)
{
    va_list list;

    fputs("act: ", stderr);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    _exit(2);
}

/* --- what it prints --- */

static __attribute__((format(printf, 3, 4))) void say(const struct act *a, const struct step *s,
                                                      const char *format, ...)
{
    char line[512];
    int n = snprintf(line, sizeof line, "%s%.*s ", a->prefix, (int)verb_length(s->verb),
                     s->verb->usage);
    va_list list;

    va_start(list, format);
    n += vsnprintf(line + n, sizeof line - (size_t)n - 1, format, list);
    va_end(list);
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    line[n++] = '\n';
    if (a->quiet == 0)
        (void)raw_syscall(SYS_write, STDOUT_FILENO, line, n);
}

static const char *error_name(int error)
{
    const char *name = strerrorname_np(error);

    return name ? name : "?";
}

static void count_error(struct act *a, const struct step *s, const char *what)
{
    if (a->errors++ == 0)
        (void)snprintf(a->first, sizeof a->first, "%.*s:%s", (int)verb_length(s->verb),
                       s->verb->usage, what);
}

/* Prints a call's result. A success that touched errno, which is 0 before each step, shows. */
static void report(struct act *a, const struct step *s, long result)
{
    const char *error = errno ? error_name(errno) : "";

    if (result < 0)
        count_error(a, s, error);
    say(a, s, "%ld%s%s", result, !errno ? "" : result < 0 ? " " : " errno=", error);
}

/* The same, for calls that may leave anything in errno when they succeed (stdio). */
static void report_stdio(struct act *a, const struct step *s, long result)
{
    if (result >= 0)
        errno = 0;
    report(a, s, result);
}

/* --- the arguments of a step --- */

static long to_number(const char *text)
{
    char *end;
    long value = strtol(text, &end, 0);

    if (end == text || *end)
        die("'%s' is not a number", text);
    return value;
}

static long number_or(const struct step *s, int i, long otherwise)
{
    return i < s->args ? to_number(s->arg[i]) : otherwise;
}

static int number(const struct step *s, int i)
{
    return (int)number_or(s, i, 0);
}

static int to_register(const char *text)
{
    if (text[0] < 'a' || text[0] > 'z' || text[1])
        die("'%s' is not a register: a to z", text);
    return text[0] - 'a';
}

/* Where the step's fd is kept. */
static int *slot(struct act *a, const struct step *s)
{
    return &a->reg[s->reg >= 0 ? s->reg : a->current];
}

/* The register that argument i names. */
static int *named(struct act *a, const struct step *s, int i)
{
    return &a->reg[to_register(s->arg[i])];
}

/* An fd as an argument: a number, a register, `fd` (the step's own) or `max`. */
static unsigned fd_argument(struct act *a, const struct step *s, int i)
{
    if (i >= s->args || strcmp(s->arg[i], "fd") == 0)
        return (unsigned)*slot(a, s);
    if (strcmp(s->arg[i], "max") == 0)
        return ~0U;
    if (s->arg[i][0] >= 'a' && s->arg[i][0] <= 'z')
        return (unsigned)*named(a, s, i);
    return (unsigned)to_number(s->arg[i]);
}

static struct address to_address(const char *host, const char *port)
{
    struct address to = {0};
    in_port_t number = htons((in_port_t)to_number(port));

    if (inet_pton(AF_INET, host, &to.u.v4.sin_addr) == 1) {
        to.u.v4.sin_family = AF_INET;
        to.u.v4.sin_port = number;
        to.size = sizeof to.u.v4;
    } else if (inet_pton(AF_INET6, host, &to.u.v6.sin6_addr) == 1) {
        to.u.v6.sin6_family = AF_INET6;
        to.u.v6.sin6_port = number;
        to.size = sizeof to.u.v6;
    } else {
        die("'%s' is not an address", host);
    }
    return to;
}

/* ADDR:PORT, PORT (of 127.0.0.1) or a path (unix). */
static struct address address_argument(const struct step *s)
{
    struct address to = {0};

    if (s->args > 1)
        return to_address(s->arg[0], s->arg[1]);
    if (s->arg[0][0] != '/')
        return to_address("127.0.0.1", s->arg[0]);
    to.u.local.sun_family = AF_UNIX;
    (void)snprintf(to.u.local.sun_path, sizeof to.u.local.sun_path, "%s", s->arg[0]);
    to.size = sizeof to.u.local;
    return to;
}

/* --- time, and pauses that no library sees --- */

static long long now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void pause_us(long us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};

    (void)raw_syscall(SYS_nanosleep, &t, NULL);
}

#endif
