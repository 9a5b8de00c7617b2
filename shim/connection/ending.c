#include "connection/ending.h"

#include "connection/arming.h"
#include "connection/ask.h"
#include "connection/birth.h"
#include "connection/rights.h"
#include "connection/table.h"
#include "kernel/clock.h"
#include "kernel/facts.h"
#include "kernel/levers.h"
#include "policy/settings.h"
#include "report/count.h"
#include "report/report.h"
#include "report/word.h"

#include <errno.h>

/** What was done at birth is all that the policy can do for c. */
static bool no_lever_left(struct conn *c)
{
    enum policy_kind kind = c->policy->kind;
    if (kind == POLICY_OFF || arming_app_lingers(c))
        return true;
    if (conn_is(c, CONN_APP_LINGERS))
        return false; /* to be overridden */
    if (kind == POLICY_AUTO || kind == POLICY_REAP)
        return true;
    return conn_is(c, CONN_ARMED) && !conn_is_sole(c);
}

/** Its close asks for nothing: no lever, no record, not even a system call to make sure. */
static bool needs_nothing(struct conn *c)
{
    return !conn_is(c, CONN_BORN) || (!settings.reporting && no_lever_left(c));
}

/** Removes fd's reference to c, which ends no connection of ours. */
static void forget(int fd, struct conn *c)
{
    if (table_remove(fd, c) && conn_put(c))
        conn_free(c);
}

enum ends { ENDS_NOT, ENDS_HERE, ENDS_WITHOUT_INPUT };

/**
 * Whether fd is c's socket, and its close ends it. The cookie tells, or TCP_LINGER2 of what we
 * armed. Under fin-rst all that is left to do is to discard input: without any, and without a
 * record in the log or the statistics, nothing has to be known. Where nobody asked for the
 * cookie and no lever can be pulled, a mistake would only be counted.
 */
static enum ends ends_here(int fd, struct conn *c)
{
    if (!conn_is(c, CONN_BORN) || atomic_load(&c->refs) != 1)
        return ENDS_NOT;
    if (c->cookie != 0)
        return conn_is_behind(c, fd) ? ENDS_HERE : ENDS_NOT;
    if (!conn_is(c, CONN_ARMED))
        return settings.reporting && no_lever_left(c) ? ENDS_HERE : ENDS_NOT;
    if (settings.asking || word_is_off() || conn_is(c, CONN_LOW_WATER) || facts_has_input(fd))
        return conn_is_behind(c, fd) ? ENDS_HERE : ENDS_NOT;
    return settings.counting ? ENDS_WITHOUT_INPUT : ENDS_NOT;
}

/** This is a child that shares our memory, which nobody saw being made. */
static bool is_another_process(struct conn *c)
{
    return c->cookie != 0 && !process_has_our_pid();
}

/** In this order: what has passed it marks it as shared before it is done. */
static bool is_sole(void *ending)
{
    const struct ending *e = ending;
    return !rights_in_flight(e->record.fd) && conn_generation(e->c) == e->generation &&
           atomic_load(&e->c->refs) == 1 && conn_is_sole(e->c);
}

static void hold(void *ending)
{
    struct ending *e = ending;
    if (!e->held)
        process_hold(&e->hold);
    e->held = true;
}

static void let_go(void *ending)
{
    struct ending *e = ending;
    if (e->held)
        process_let_go(&e->hold);
    e->held = false;
}

static void prepare(struct ending *e, enum prepare what, struct facts *facts)
{
    struct lever_owner owner = {is_sole, hold, let_go, e};
    lever_prepare(e->record.fd, what, e->c->policy, &owner, facts);
}

static void decide_once_more(struct ending *e, struct facts *facts)
{
    facts->sole = is_sole(e);
    e->record.decision = policy_decide(e->c->policy, facts);
}

/**
 * Decides. Where that is RST, which must not stay on a socket that lives on elsewhere, nobody
 * may copy the socket from here to ending_finish(); a copy made until now counts. A close that
 * lingers waits for seconds, in which nobody may be kept waiting: there only a copy made until
 * now counts.
 */
static void decide(struct ending *e, struct facts *facts)
{
    struct conn *c = e->c;
    facts->sole = conn_is_sole(c);
    e->record.decision = policy_decide(c->policy, facts);
    if (word_is_off())
        e->record.decision = (struct decision){.reason = REASON_OFF};
    if (e->record.decision.action == ACTION_LINGER)
        decide_once_more(e, facts);
    if (e->record.decision.action != ACTION_RST)
        return;
    hold(e);
    decide_once_more(e, facts);
    if (e->record.decision.action != ACTION_RST)
        let_go(e);
}

static bool set_lever(enum action action, int fd, struct conn *c)
{
    switch (action) {
    case ACTION_RST:
        return lever_rst(fd);
    case ACTION_LINGER:
        return lever_linger(fd, c->policy->argument);
    case ACTION_FIN_RST:
        return conn_is(c, CONN_ARMED) || lever_fin_rst(fd);
    default:
        return true;
    }
}

/** Does what was decided. */
static void carry_out(struct ending *e)
{
    struct decision *decision = &e->record.decision;
    bool ours = decision->reason != REASON_OFF && decision->reason != REASON_APP_LINGER;
    if (ours && conn_is(e->c, CONN_APP_LINGERS))
        arming_override_app(e->record.fd, e->c);
    if (decision->reason == REASON_OFF && conn_is(e->c, CONN_ARMED))
        arming_undo(e->record.fd, e->c);
    if (!set_lever(decision->action, e->record.fd, e->c))
        *decision = (struct decision){.action = ACTION_NONE, .reason = REASON_LEVER_FAILED};
}

/** Removes c from the table: of two threads that close one fd, one does. */
static bool remove_from_table(struct ending *e)
{
    struct conn *c = e->c;
    if (conn_generation(c) != e->generation || !table_remove(e->record.fd, c))
        return false;
    return conn_put(c); /* false where a copy was made meanwhile */
}

/** Under off nothing. */
static enum prepare to_prepare(const struct conn *c, const struct facts *facts)
{
    return word_is_off() ? PREPARE_NONE : policy_prepare(c->policy, facts);
}

/** No system call may be made: what is counted in memory is counted, and that is all. */
static void count_only(int fd, struct conn *c)
{
    struct record record = {.fd = fd, .state = STATE_CLOSE, .close_ns = -1};
    struct facts facts = {.state = STATE_CLOSE, .app_linger = arming_app_lingers(c)};
    if (!table_remove(fd, c) || !conn_put(c))
        return;
    if (conn_is(c, CONN_COUNTED)) {
        record.decision = policy_decide(c->policy, &facts);
        ask_what_it_is(c, &record);
        count_close(&record);
    }
    conn_free(c);
}

/**
 * After a wait: a handler or another thread may have closed the fd, whose socket had this
 * cookie, or installed a filter. Then the table alone tells whether it was closed.
 */
static bool goes_on(struct ending *e, struct conn *c, uint64_t cookie)
{
    int fd = e->record.fd;
    bool same = table_find(fd) == c && conn_generation(c) == e->generation;
    bool sealed = process_is_sealed();
    e->gone = sealed ? !same : facts_cookie(fd) != cookie;
    if (same && sealed)
        count_only(fd, c);
    else if (same && e->gone)
        forget(fd, c);
    return same && !sealed && !e->gone;
}

static bool prepare_close(struct ending *e, int fd, struct conn *c, struct ending_way way)
{
    uint32_t generation = conn_generation(c);
    uint64_t cookie = atomic_load(&c->cookie); /* who waits has it: ends_here() */
    if (is_another_process(c))
        return false;
    enum ends ends = ends_here(fd, c);
    if (ends == ENDS_NOT) {
        forget(fd, c);
        return false;
    }
    *e =
        (struct ending){.c = c, .generation = generation, .record = {.fd = fd, .via = way.via}};
    e->begun = settings.reporting ? clock_now() : 0;
    struct facts facts = {.sole = conn_is_sole(c),
                          .app_linger = arming_app_lingers(c),
                          .stdio_output = way.stdio_output ||
                                          (way.may_wait && c->policy->kind != POLICY_FIN_RST)};
    ask(e->c, &e->record, &facts);
    enum prepare what = ends == ENDS_HERE ? to_prepare(c, &facts) : PREPARE_NONE;
    if (!way.waited || what == PREPARE_DISCARD)
        prepare(e, what, &facts);
    if (facts.waited && !goes_on(e, c, cookie)) {
        let_go(e);
        return false;
    }
    if (way.may_wait) /* the call that follows: nobody is kept waiting for so long */
        let_go(e);
    decide(e, &facts);
    if (!remove_from_table(e)) {
        let_go(e);
        return false;
    }
    carry_out(e);
    return true;
}

bool ending_matters(int fd)
{
    struct conn *c = table_find(fd);
    return c && !needs_nothing(c);
}

void ending_wait(int fd)
{
    struct conn *c = table_find(fd);
    if (!c || needs_nothing(c) || !process_may_act() || is_another_process(c) ||
        !ends_here(fd, c))
        return;
    int saved = errno;
    struct ending e = {.c = c, .generation = conn_generation(c), .record = {.fd = fd}};
    struct facts facts = {.sole = conn_is_sole(c), .app_linger = arming_app_lingers(c)};
    ask(e.c, &e.record, &facts);
    enum prepare what = to_prepare(c, &facts);
    if (what != PREPARE_DISCARD)
        prepare(&e, what, &facts);
    let_go(&e);
    errno = saved;
}

bool ending_begin(struct ending *ending, int fd, struct ending_way way)
{
    struct conn *c = table_find(fd);
    ending->gone = false;
    if (!c || !process_is_ours())
        return false;
    if (needs_nothing(c)) {
        forget(fd, c);
        return false;
    }
    if (!process_may_act()) {
        count_only(fd, c);
        return false;
    }
    int saved = errno;
    bool begun = prepare_close(ending, fd, c, way);
    errno = saved;
    return begun;
}

static void report(struct ending *e)
{
    if (!settings.reporting)
        return;
    bool sealed = process_is_sealed(); /* while it lingered; to tell the time may be a call */
    e->record.close_ns = sealed ? -1 : clock_now() - e->begun;
    ask_what_it_is(e->c, &e->record);
    if (sealed)
        count_close(&e->record);
    else
        report_close(&e->record);
}

/** The fd lives on: takes the lever back, and puts c, which has no reference, behind it. */
static void undo(struct ending *e)
{
    if (e->record.decision.action == ACTION_RST || e->record.decision.action == ACTION_LINGER)
        lever_linger_off(e->record.fd);
    atomic_store(&e->c->refs, 1);
    table_set(e->record.fd, e->c);
}

void ending_finish(struct ending *ending, bool closed)
{
    int saved = errno;
    if (!closed)
        undo(ending);
    let_go(ending);
    if (closed) {
        report(ending);
        conn_free(ending->c);
    }
    errno = saved;
}

void ending_left(void *ending)
{
    struct ending *e = ending;
    ending_finish(e, process_is_sealed() || !conn_is_behind(e->c, e->record.fd));
}

bool ending_disconnect(struct ending *ending, int fd)
{
    struct conn *c = table_find(fd);
    if (!c || !conn_is(c, CONN_BORN) || !process_may_act())
        return false;
    int saved = errno;
    *ending = (struct ending){
        .c = c,
        .generation = conn_generation(c),
        .record = {.fd = fd, .via = VIA_DISCONNECT, .decision = {.reason = REASON_DISCONNECT}}};
    if (settings.reporting && conn_may_be_behind(c, fd)) {
        struct facts facts = {0};
        ask(ending->c, &ending->record, &facts);
        ending->begun = clock_now();
    }
    errno = saved;
    return true;
}

void ending_disconnected(struct ending *ending, bool done)
{
    int fd = ending->record.fd;
    struct conn *c = done ? table_claim(fd, ending->c, ending->generation) : NULL;
    if (!c)
        return;
    int saved = errno;
    if (conn_is(c, CONN_BORN)) { /* or another thread has disconnected it, too */
        report(ending);
        birth_undo(fd, c);
    }
    table_release(c);
    errno = saved;
}
