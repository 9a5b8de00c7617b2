/* act's steps that end a connection, directly or inside libc. */
#ifndef ACT_CLOSE_H
#define ACT_CLOSE_H

#include "act.h"
#include "act_io.h"

#include <fcntl.h>

/* After a close: the register is empty, and `again` can bring the number back. */
static void forget(struct act *a, int *fd)
{
    a->last = *fd;
    *fd = -1;
}

static void forget_range(struct act *a, unsigned first, unsigned last)
{
    for (int i = 0; i < REGISTERS; i++)
        if (a->reg[i] >= 0 && (unsigned)a->reg[i] >= first && (unsigned)a->reg[i] <= last)
            forget(a, &a->reg[i]);
}

static void step_close(struct act *a, const struct step *s)
{
    report(a, s, close(*slot(a, s)));
    forget(a, slot(a, s));
}

static void step_close_raw(struct act *a, const struct step *s)
{
    report(a, s, raw_syscall(SYS_close, *slot(a, s)));
    forget(a, slot(a, s));
}

static void step_close_number(struct act *a, const struct step *s)
{
    report(a, s, syscall(SYS_close, *slot(a, s)));
    forget(a, slot(a, s));
}

static void step_close_timed(struct act *a, const struct step *s)
{
    long long start = now_us();
    int result = close(*slot(a, s));
    long long took = now_us() - start;

    if (result < 0)
        report(a, s, result);
    else
        say(a, s, "%d us=%lld", result, took);
    forget(a, slot(a, s));
}

static void step_close_range(struct act *a, const struct step *s)
{
    unsigned first = fd_argument(a, s, 0);
    unsigned last = fd_argument(a, s, 1);
    const char *how = s->args > 2 ? s->arg[2] : "";
    unsigned flags = (strstr(how, "cloexec") ? CLOSE_RANGE_CLOEXEC : 0U) |
                     (strstr(how, "unshare") ? CLOSE_RANGE_UNSHARE : 0U);

    if (how[0] >= '0' && how[0] <= '9')
        flags = (unsigned)to_number(how);
    int result = close_range(first, last, (int)flags);

    report(a, s, result);
    if (result == 0 && !(flags & CLOSE_RANGE_CLOEXEC))
        forget_range(a, first, last);
}

static void step_closefrom(struct act *a, const struct step *s)
{
    unsigned first = fd_argument(a, s, 0);

    closefrom((int)first);
    errno = 0;
    report(a, s, 0);
    forget_range(a, first, ~0U);
}

/* --- stdio: one stream per script --- */

static FILE *stream_of(const struct act *a)
{
    if (!a->stream)
        die("no stream: fdopen first");
    return a->stream;
}

static void step_fdopen(struct act *a, const struct step *s)
{
    a->stream = fdopen(*slot(a, s), s->args ? s->arg[0] : "w");
    if (a->stream)
        (void)setvbuf(a->stream, NULL, _IOFBF, 65536);
    report_stdio(a, s, a->stream ? 0 : -1);
}

static void step_fprintf(struct act *a, const struct step *s)
{
    int n = number(s, 0);
    char *buf = pattern((size_t)n);

    report_stdio(a, s, fprintf(stream_of(a), "%.*s", n, buf));
    free(buf);
}

static void step_fread(struct act *a, const struct step *s)
{
    size_t n = (size_t)number(s, 0);
    char *buf = pattern(n);

    report_stdio(a, s, (long)fread(buf, 1, n, stream_of(a)));
    free(buf);
}

static void step_fgets(struct act *a, const struct step *s)
{
    int n = number(s, 0);
    char *buf = pattern((size_t)n);
    const char *line = fgets(buf, n, stream_of(a));

    report_stdio(a, s, line ? (long)strlen(line) : -1);
    free(buf);
}

static void step_fflush(struct act *a, const struct step *s)
{
    report_stdio(a, s, fflush(stream_of(a)));
}

static void step_fclose(struct act *a, const struct step *s)
{
    report_stdio(a, s, fclose(stream_of(a)));
    a->stream = NULL;
    forget(a, slot(a, s));
}

static void step_freopen(struct act *a, const struct step *s)
{
    a->stream = freopen(s->text, "w", stream_of(a));
    report_stdio(a, s, a->stream ? 0 : -1);
    forget(a, slot(a, s));
}

static void step_freopen64(struct act *a, const struct step *s)
{
    a->stream = freopen64(s->text, "w", stream_of(a));
    report_stdio(a, s, a->stream ? 0 : -1);
    forget(a, slot(a, s));
}

#endif
