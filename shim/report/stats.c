#include "report/stats.h"

#include "kernel/process.h"
#include "policy/errors.h"
#include "policy/histogram.h"
#include "policy/settings.h"
#include "report/json.h"
#include "report/sink.h"

#include <errno.h>
#include <string.h>

#define ERRORS 134 /* EHWPOISON, the last one, is 133 */

struct counters {
    _Atomic uint64_t connections, closes, recycled;
    _Atomic uint64_t actions[ACTIONS];
    _Atomic uint64_t reasons[REASONS];
    _Atomic uint64_t time_wait_avoided, time_wait_left;
    _Atomic uint64_t connect_errors[ERRORS], io_errors[ERRORS];
    struct histogram close_ns, connect_ns;
};

static struct counters counters[POLICIES_MAX]; /* as settings.config.policies */
static _Atomic bool written;

static struct counters *counters_of(const struct policy *policy)
{
    return &counters[policy - settings.config.policies.all];
}

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void stats_connection(const struct policy *policy)
{
    count(&counters_of(policy)->connections);
}

void stats_recycled(const struct policy *policy)
{
    count(&counters_of(policy)->recycled);
}

void stats_connect_time(const struct policy *policy, uint64_t ns)
{
    histogram_add(&counters_of(policy)->connect_ns, ns);
}

void stats_connect_error(const struct policy *policy, int error)
{
    if (error < ERRORS)
        count(&counters_of(policy)->connect_errors[error]);
}

void stats_io_error(const struct policy *policy, int error)
{
    if (error < ERRORS)
        count(&counters_of(policy)->io_errors[error]);
}

/** A plain close here would have left TIME_WAIT (RFC 9293, figure 5), had it not reset. */
static bool would_wait(const struct record *record)
{
    switch (record->state) {
    case STATE_ESTABLISHED:
    case STATE_FIN_WAIT1:
    case STATE_FIN_WAIT2:
    case STATE_CLOSING:
        return record->unread == 0 && record->via != VIA_DISCONNECT;
    default:
        return false;
    }
}

void stats_close(const struct record *record)
{
    struct counters *c = counters_of(record->policy);
    enum action action = record->decision.action;
    count(&c->closes);
    count(&c->actions[action]);
    count(&c->reasons[record->decision.reason]);
    if (would_wait(record) && (action == ACTION_RST || action == ACTION_FIN_RST))
        count(&c->time_wait_avoided);
    else if (would_wait(record))
        count(&c->time_wait_left);
    if (record->close_ns >= 0)
        histogram_add(&c->close_ns, (uint64_t)record->close_ns);
}

void stats_reset(void)
{
    for (unsigned i = 0; i < POLICIES_MAX; i++)
        if (policies_has(&settings.config.policies, i))
            memset((void *)&counters[i], 0, sizeof(counters[i]));
    atomic_store(&written, false);
}

/** null where nothing was measured. */
static void text_histogram(struct text *text, const char *name, struct histogram *histogram)
{
    bool any = atomic_load(&histogram->count) > 0;
    json_key(text, name);
    text_char(text, '{');
    json_us(text, "p50", any ? (int64_t)histogram_percentile(histogram, 50) : -1);
    json_us(text, "p99", any ? (int64_t)histogram_percentile(histogram, 99) : -1);
    json_us(text, "max", any ? (int64_t)atomic_load(&histogram->max) : -1);
    text_char(text, '}');
}

static void text_error(struct text *text, int error, uint64_t n)
{
    char number[16];
    struct text name = text_in(number, sizeof(number));
    text_number(&name, (uint64_t)error, 1);
    json_number(text, errors_name(error) ? errors_name(error) : number, n);
}

/** Those that occurred, and EADDRNOTAVAIL always: that is what the library is there for. */
static void text_connect_errors(struct text *text, struct counters *c)
{
    json_key(text, "connect_errors");
    text_char(text, '{');
    for (int error = 1; error < ERRORS; error++) {
        uint64_t n = atomic_load(&c->connect_errors[error]);
        if (n > 0 || error == EADDRNOTAVAIL)
            text_error(text, error, n);
    }
    text_char(text, '}');
}

/** Those by which a connection is known to have broken always, others where they occurred. */
static void text_io_errors(struct text *text, struct counters *c)
{
    static const int broken[] = {ECONNRESET, EPIPE, ETIMEDOUT};
    json_key(text, "io_errors");
    text_char(text, '{');
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        text_error(text, broken[i], atomic_load(&c->io_errors[broken[i]]));
    for (int error = 1; error < ERRORS; error++) {
        uint64_t n = atomic_load(&c->io_errors[error]);
        if (n > 0 && error != ECONNRESET && error != EPIPE && error != ETIMEDOUT)
            text_error(text, error, n);
    }
    text_char(text, '}');
}

static void text_decisions(struct text *text, struct counters *c)
{
    json_key(text, "actions");
    text_char(text, '{');
    for (int action = 0; action < ACTIONS; action++)
        json_number(text, action_names[action], atomic_load(&c->actions[action]));
    text_char(text, '}');
    json_key(text, "reasons");
    text_char(text, '{');
    for (int reason = 0; reason < REASONS; reason++)
        if (atomic_load(&c->reasons[reason]) > 0)
            json_number(text, reason_names[reason], atomic_load(&c->reasons[reason]));
    text_char(text, '}');
}

static void text_policy(struct text *text, const struct policy *policy)
{
    struct counters *c = counters_of(policy);
    char name[32];
    struct text policy_name = text_in(name, sizeof(name));
    policy_text(&policy_name, policy);
    text_char(text, '{');
    json_string(text, "policy", name);
    json_number(text, "connections", atomic_load(&c->connections));
    json_number(text, "closes", atomic_load(&c->closes));
    json_number(text, "recycled", atomic_load(&c->recycled));
    text_decisions(text, c);
    json_number(text, "time_wait_avoided", atomic_load(&c->time_wait_avoided));
    json_number(text, "time_wait_left", atomic_load(&c->time_wait_left));
    text_connect_errors(text, c);
    text_io_errors(text, c);
    text_histogram(text, "close_us", &c->close_ns);
    text_histogram(text, "connect_us", &c->connect_ns);
    text_char(text, '}');
}

/** Nothing happened under it: its figures are all zero. */
static bool idle(const struct counters *c)
{
    static const struct counters none;
    return memcmp((const void *)c, (const void *)&none, sizeof(none)) == 0;
}

static void text_process(struct text *text, bool with_idle)
{
    text_char(text, '{');
    json_number(text, "pid", (uint64_t)process_pid());
    json_string(text, "program", process_program());
    json_key(text, "policies");
    text_char(text, '[');
    for (unsigned i = 0; i < POLICIES_MAX; i++) {
        if (!policies_has(&settings.config.policies, i) || (!with_idle && idle(&counters[i])))
            continue;
        text_str(text, text->buf[text->len - 1] == '[' ? "" : ",");
        text_policy(text, &settings.config.policies.all[i]);
    }
    text_str(text, "]}\n");
}

/*
 * A configuration of many policies makes a long record. Where the destination takes only so
 * much as a whole, policies under which nothing happened are left out.
 */
void stats_write(void)
{
    static char line[1 << 16];
    if (!settings.config.stats || atomic_exchange(&written, true))
        return;
    sink_look_again(&sink_stats);
    struct text text = text_in(line, sizeof(line));
    text_process(&text, true);
    if (text.cut || text.len > sink_most(&sink_stats)) {
        text = text_in(line, sizeof(line));
        text_process(&text, false);
    }
    if (text.cut || text.len > sink_most(&sink_stats))
        sink_message("libnotimewait: NOTIMEWAIT_STATS: the statistics are longer than a pipe "
                     "takes as a whole, and are not written; name a file");
    else
        sink_write(&sink_stats, line, text.len);
}
