#include "launcher/advise/remedy.h"

#include "kernel/sysctls.h"
#include "launcher/counters.h"
#include "launcher/line.h"
#include "launcher/reuse.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TIME_WAIT_S 60 /* TCP_TIMEWAIT_LEN */
#define LABEL       "%-19s "
#define FEW         64 /* ports that may be in TIME_WAIT without a word */
#define NEXT_SHOWN  5  /* services behind the busiest that get a line */

/* What the choice depends on. */
struct situation {
    const struct service *service; /* the busiest, or NULL */
    char name[64];
    double rate; /* of new entries, a second */
    double ports;
    double needed; /* ports at a time, if it goes on like that */
    struct sysctls sysctls;
    bool has_delay; /* tcp_tw_reuse_delay is a sysctl */
    long delay_ms;
    bool timestamps;
    bool kernel_reuses; /* entries of a second and more, towards this service */
};

static long sysctl(const char *path, long otherwise)
{
    long n;
    return counters_file(path, &n, 1) ? n : otherwise;
}

static struct situation situation_of(const struct watched *watched)
{
    struct situation now = {.service = watch_busiest(watched, NULL), .sysctls = sysctls_read()};
    struct text text = text_in(now.name, sizeof(now.name));
    double seconds = watch_seconds(watched);
    now.has_delay = reuse_has_delay();
    now.delay_ms = reuse_delay_ms();
    now.timestamps = sysctl("/proc/sys/net/ipv4/tcp_timestamps", 1) != 0;
    now.ports = now.sysctls.high - now.sysctls.low + 1;
    if (!now.service)
        return now;
    watch_service_text(&text, now.service);
    now.rate = seconds > 0 ? (double)now.service->made / seconds : 0;
    now.needed = now.rate * TIME_WAIT_S;
    if (now.needed < now.service->most)
        now.needed = now.service->most;
    now.kernel_reuses =
        now.timestamps && (now.sysctls.tw_reuse == 1 ||
                           (now.sysctls.tw_reuse == 2 && watch_is_loopback(now.service)));
    return now;
}

/** How many connections a second the kernel's own reuse allows (fact 11). */
static double reuse_rate(const struct situation *now)
{
    return now->ports * 1000 / (double)now->delay_ms;
}

static const char *by_which_way(const struct verdict *verdict)
{
    if (!verdict)
        return "notimewait COMMAND";
    switch (verdict->reached) {
    case REACHED_BY_SUPERVISION:
        return "notimewait --by supervise COMMAND (a preload does not reach it)";
    case REACHED_IN_PART:
        return "notimewait --by both COMMAND (a preload reaches it in part)";
    case NOT_REACHED:
        return "no way of notimewait's reaches this command: see notimewait check";
    default:
        return "notimewait COMMAND";
    }
}

static void say(const char *label, const char *text)
{
    line_print(stdout, LABEL "%s", label, text);
}

static void advise_nothing(const char *why)
{
    line_print(stdout, "remedy: nothing to do: %s", why);
}

/** What could be done besides, from the least invasive on. */
static void print_others(const struct situation *now, const struct verdict *verdict)
{
    if (now->rate > reuse_rate(now))
        line_print(stdout,
                   LABEL "a second source address gives as many ports again, for clients "
                         "that can bind one",
                   "or");
    say("or", "keep-alive or a pool in the client, where it can be changed: no new entries");
    line_print(stdout,
               LABEL "without root: %s, policy auto: ports are used again after a second", "or",
               by_which_way(verdict));
}

static void advise_reuse(const struct situation *now, const struct verdict *verdict)
{
    bool reuses = now->sysctls.tw_reuse == 1 || now->kernel_reuses;
    bool delay = reuses || (now->has_delay && now->delay_ms > 1 && now->rate > reuse_rate(now));
    line_print(stdout, "remedy: sysctl %s%s%s (root, this whole network namespace)",
               reuses ? "" : "net.ipv4.tcp_tw_reuse=1", delay && !reuses ? " " : "",
               delay ? "net.ipv4.tcp_tw_reuse_delay=1" : "");
    line_print(stdout, LABEL "%.0f connections/s to one peer in place of %.0f", "it would give",
               delay ? now->ports * 1000 : reuse_rate(now),
               reuses ? reuse_rate(now) : now->ports / TIME_WAIT_S);
    print_others(now, verdict);
}

static void advise_library(const struct situation *now, const struct verdict *verdict)
{
    line_print(stdout, "remedy: %s, policy auto", by_which_way(verdict));
    line_print(stdout,
               LABEL
               "tcp_tw_reuse (ports again after %s) gives %.0f connections/s at most, and %.0f "
               "are made",
               "why not a sysctl", reuse_delay_text(), reuse_rate(now), now->rate);
    say("or", "keep-alive or a pool in the client, where it can be changed: no new entries");
    say("or", "more source addresses, or a wider ip_local_port_range");
}

static void choose(const struct situation *now, const struct verdict *verdict)
{
    if (!now->service)
        advise_nothing("no connection of a client here is in TIME_WAIT");
    else if (now->needed <= FEW || now->needed < now->ports / 2)
        advise_nothing("TIME_WAIT holds less than half of the ports, where connect() is fast");
    else if (!now->timestamps)
        line_print(stdout, "remedy: sysctl net.ipv4.tcp_timestamps=1: without them no port in "
                           "TIME_WAIT can be used again, by the kernel or by notimewait");
    else if (now->kernel_reuses && now->rate < reuse_rate(now) / 2)
        line_print(
            stdout,
            "remedy: nothing to do: the kernel uses these ports again after %s, and that "
            "is enough",
            reuse_delay_text());
    else if ((now->has_delay && now->delay_ms > 1) ||
             (now->rate < reuse_rate(now) && !now->kernel_reuses))
        advise_reuse(now, verdict);
    else
        advise_library(now, verdict);
}

/** The errors that the command's connects failed with, each with its number. */
static void print_failed(const struct series *seen)
{
    for (size_t i = 0; i < CONNECT_ERRORS_MAX && seen->errors[i].name[0]; i++)
        line_print(stdout, LABEL "%.0f failed: %s%s", "connect()", seen->errors[i].count,
                   seen->errors[i].name,
                   strcmp(seen->errors[i].name, "EADDRNOTAVAIL") ? "" : ", no port was left");
}

/** False where it was not seen how long the command's connects took. */
static bool print_connects(const struct series *seen)
{
    if (seen->count == 0)
        return false;
    const struct measured *run = &seen->runs[0];
    print_failed(seen);
    if (isnan(run->value[CONNECT_US]))
        return false;
    line_print(stdout, LABEL "%.0f of the command, %.0f us in the median, %.0f us at p99",
               "connect()", run->value[CONNECTIONS], run->value[CONNECT_US],
               run->connect_us_p99);
    return true;
}

/** Which side closed first: an entry in TIME_WAIT is of one that did, or of both, where their
 * FINs crossed. The second is seen where both ends are. */
static void say_who_closed(char *text, size_t size, const struct service *service)
{
    if (service->both > 0)
        snprintf(text, size,
                 "%u closed by both sides at once, at most; of the others our side "
                 "closed first%s",
                 service->both, service->here ? "" : ", or both");
    else
        snprintf(text, size, "our side closed first%s",
                 service->here ? "" : ", or both at once, which does not show from here");
}

static void print_service(const struct situation *now, const struct watched *watched)
{
    const struct service *service = now->service;
    double left = now->ports - service->used;
    double growth = now->kernel_reuses ? 0 : now->rate;
    char closed[128];
    say_who_closed(closed, sizeof(closed), service);
    line_print(stdout, LABEL "%s: %u now, %u at most; %.1f new a second; %s", "TIME_WAIT",
               now->name, service->time_wait, service->most, now->rate, closed);
    if (left > 0 && growth > 0 && now->needed > now->ports)
        line_print(stdout, LABEL "%u-%u: %.0f, %.0f left; they end in some %.0f s", "ports",
                   now->sysctls.low, now->sysctls.high, now->ports, left, left / growth);
    else
        line_print(stdout,
                   LABEL "%u-%u: %.0f, %.0f left; as many as %.0f are held at this rate",
                   "ports", now->sysctls.low, now->sysctls.high, now->ports, left, now->needed);
    if (left < 1)
        say("wanted", "perhaps more than is seen: while no port is left, no entry comes anew");
    if (now->needed >= now->ports / 2)
        say("connect()", "searches for a port, for more than a millisecond, from half of the "
                         "ports on");
    line_print(stdout, LABEL "%.1f at a time: %s", "open",
               (double)service->open_sum / watched->looks,
               (double)service->open_sum / watched->looks > now->rate
                   ? "some are kept for long"
                   : "each is short; keep-alive is not seen");
    if (service->behind > 0)
        line_print(stdout,
                   LABEL "%u sockets of this service had unread input: fin-rst may harm it",
                   "a peer that is behind", service->behind);
}

/** A line each for those that come next; the last one that got a line. */
static const struct service *print_next(const struct watched *watched,
                                        const struct service *service)
{
    double seconds = watch_seconds(watched);
    for (unsigned i = 0; service && i < NEXT_SHOWN; i++) {
        char name[64];
        struct text text = text_in(name, sizeof(name));
        const struct service *next = watch_busiest(watched, service);
        if (!next)
            return service;
        watch_service_text(&text, next);
        line_print(stdout, LABEL "%s: %u now, %u at most; %.1f new a second",
                   i == 0 ? "the next ones" : "", name, next->time_wait, next->most,
                   seconds > 0 ? (double)next->made / seconds : 0);
        service = next;
    }
    return service;
}

/** The line of entries that have none: of all services behind `shown`, and of those that are
 * not wanted. */
static void print_rest(const struct watched *watched, const struct service *shown)
{
    unsigned entries = 0;
    size_t services = watched->count;
    for (size_t i = 0; i < watched->count; i++)
        entries += watched->services[i].most;
    for (const struct service *service = NULL;
         shown && (service = watch_busiest(watched, service));) {
        entries -= service->most;
        services--;
        if (service == shown)
            break;
    }
    if (entries > 0)
        line_print(stdout, LABEL "%u entries to %zu others, whose ports are apart", "besides",
                   entries, services);
}

static void print_others_seen(const struct watched *watched, const struct service *busiest)
{
    print_rest(watched, print_next(watched, busiest));
    if (watched->server_time_wait > 0)
        line_print(stdout,
                   LABEL
                   "%llu entries of servers here, which closed first, or both sides at once: "
                   "they take no port",
                   "servers", (unsigned long long)watched->server_time_wait);
}

void remedy_print(const struct watched *watched, const struct verdict *verdict,
                  const struct series *seen)
{
    struct situation now = situation_of(watched);
    choose(&now, verdict);
    line_print(stdout, LABEL "%.0f s", "watched", watch_seconds(watched));
    bool timed = print_connects(seen);
    if (now.service)
        print_service(&now, watched);
    print_others_seen(watched, now.service);
    line_print(stdout, LABEL "tcp_tw_reuse=%u, %s %s%s, tcp_timestamps=%d", "sysctls",
               now.sysctls.tw_reuse, now.has_delay ? "tcp_tw_reuse_delay:" : "after",
               reuse_delay_text(), now.has_delay ? "" : " (a sysctl since Linux 6.14)",
               now.timestamps);
    line_print(stdout,
               LABEL
               "which side closed first where no entry is here; what peers elsewhere have "
               "read%s",
               "not known",
               timed ? "" : "; how long connect() takes: of a COMMAND that a preload reaches");
}

void remedy_print_unseen(void)
{
    say("process",
        "none of its connections was seen, or it may not be looked at: all this is of "
        "the whole network namespace");
}
