/* act's steps that observe and wait. What only observes asks the kernel directly. */
#ifndef ACT_WATCH_H
#define ACT_WATCH_H

#include "act.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>

static const char *const state_names[] = {
    "?",         "ESTABLISHED", "SYN_SENT",   "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",
    "TIME_WAIT", "CLOSE",       "CLOSE_WAIT", "LAST_ACK", "LISTEN",    "CLOSING",
};

static struct tcp_info ask_tcp(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;

    (void)raw_syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    errno = 0;
    return info;
}

static const char *state_of(int fd)
{
    unsigned state = ask_tcp(fd).tcpi_state;

    return state_names[state < sizeof state_names / sizeof state_names[0] ? state : 0];
}

static void step_state(struct act *a, const struct step *s)
{
    say(a, s, "%s", state_of(*slot(a, s)));
}

static void say_late(struct act *a, const struct step *s, const char *seen)
{
    count_error(a, s, "timeout");
    say(a, s, "timeout %s", seen);
}

static void step_wait_state(struct act *a, const struct step *s)
{
    long long end = now_us() + number_or(s, 1, 5000) * 1000;
    const char *seen;

    while (strcmp(seen = state_of(*slot(a, s)), s->arg[0]) != 0 && now_us() < end)
        pause_us(500);
    if (strcmp(seen, s->arg[0]) != 0)
        say_late(a, s, seen);
    else
        say(a, s, "%s", seen);
}

/* Bytes to read (SIOCINQ), -1 where the socket has none such. */
static int unread(int fd)
{
    int n = -1;

    (void)raw_syscall(SYS_ioctl, fd, SIOCINQ, &n);
    errno = 0;
    return n;
}

static void step_unread(struct act *a, const struct step *s)
{
    say(a, s, "%d", unread(*slot(a, s)));
}

static void step_wait_unread(struct act *a, const struct step *s)
{
    long long end = now_us() + number_or(s, 1, 5000) * 1000;
    char seen[16];
    int n;

    while ((n = unread(*slot(a, s))) < number(s, 0) && now_us() < end)
        pause_us(500);
    (void)snprintf(seen, sizeof seen, "%d", n);
    if (n < number(s, 0))
        say_late(a, s, seen);
    else
        say(a, s, "%d", n);
}

static void step_wait_acked(struct act *a, const struct step *s)
{
    long long end = now_us() + number_or(s, 0, 5000) * 1000;
    struct tcp_info info;

    while (info = ask_tcp(*slot(a, s)), info.tcpi_unacked || info.tcpi_notsent_bytes) {
        if (now_us() > end) {
            say_late(a, s, state_of(*slot(a, s)));
            return;
        }
        pause_us(500);
    }
    say(a, s, "0");
}

/* --- calls that wait, as a program makes them --- */

static const struct {
    const char *name;
    short bit; /* the same for poll and epoll */
} events[] = {
    {"IN", POLLIN},   {"PRI", POLLPRI}, {"OUT", POLLOUT},   {"RDHUP", POLLRDHUP},
    {"ERR", POLLERR}, {"HUP", POLLHUP}, {"NVAL", POLLNVAL},
};

static short to_events(const char *text)
{
    short bits = 0;

    while (*text) {
        size_t length = strcspn(text, "+");

        for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
            if (strlen(events[i].name) == length &&
                strncasecmp(events[i].name, text, length) == 0)
                bits = (short)(bits | events[i].bit);
        text += length + (text[length] == '+');
    }
    return bits;
}

static void say_events(struct act *a, const struct step *s, int result, unsigned bits)
{
    char text[64] = "";
    int n = 0;

    if (result < 0) {
        report(a, s, result);
        return;
    }
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (bits & (unsigned)events[i].bit)
            n += snprintf(text + n, sizeof text - (size_t)n, "%s%s", n ? "|" : " ",
                          events[i].name);
    say(a, s, "%d%s", result, text);
}

static void step_poll(struct act *a, const struct step *s)
{
    struct pollfd wait = {.fd = *slot(a, s), .events = to_events(s->arg[0])};
    int result = poll(&wait, 1, number(s, 1));

    say_events(a, s, result, (unsigned)wait.revents);
}

static void step_epoll(struct act *a, const struct step *s)
{
    int set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = (uint32_t)to_events(s->arg[0])};
    int result = epoll_ctl(set, EPOLL_CTL_ADD, *slot(a, s), &event);

    event.events = 0;
    if (result == 0)
        result = epoll_wait(set, &event, 1, number(s, 1));
    (void)raw_syscall(SYS_close, set);
    say_events(a, s, result, event.events);
}

static void step_select(struct act *a, const struct step *s)
{
    long ms = number(s, 0);
    struct timeval time = {ms / 1000, ms % 1000 * 1000};
    fd_set in;

    FD_ZERO(&in);
    FD_SET(*slot(a, s), &in);
    report(a, s, select(*slot(a, s) + 1, &in, NULL, NULL, &time));
}

/* The end of a non-blocking connect: 0, or its error. */
static void step_connect_wait(struct act *a, const struct step *s)
{
    struct pollfd wait = {.fd = *slot(a, s), .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof error;

    if (poll(&wait, 1, (int)number_or(s, 0, 5000)) != 1)
        error = ETIMEDOUT;
    else
        (void)getsockopt(*slot(a, s), SOL_SOCKET, SO_ERROR, &error, &size);
    errno = error;
    report(a, s, error ? -1 : 0);
}

static void step_sleep(struct act *a, const struct step *s)
{
    struct timespec time = {number(s, 0) / 1000, number(s, 0) % 1000 * 1000000L};

    (void)a;
    while (nanosleep(&time, &time) < 0)
        ;
}

/* --- two scripts keep step by files --- */

static void step_sync(struct act *a, const struct step *s)
{
    long fd = raw_syscall(SYS_openat, AT_FDCWD, s->text, O_CREAT | O_WRONLY, 0666);

    (void)raw_syscall(SYS_close, fd);
    report(a, s, fd < 0 ? -1 : 0);
}

static void step_wait_file(struct act *a, const struct step *s)
{
    long long end = now_us() + number_or(s, 1, 5000) * 1000;

    while (access(s->arg[0], F_OK) < 0)
        if (now_us() > end) {
            say_late(a, s, s->arg[0]);
            return;
        } else {
            pause_us(500);
        }
    errno = 0;
    say(a, s, "0");
}

static void step_compute(struct act *a, const struct step *s)
{
    while (raw_syscall(SYS_faccessat, AT_FDCWD, s->arg[0], F_OK) < 0)
        ;
    errno = 0;
    say(a, s, "0");
}

#endif
