#include "connection/ending.h"

#include "connection/birth.h"
#include "connection/reap.h"
#include "connection/rights.h"
#include "connection/table.h"
#include "kernel/clock.h"
#include "kernel/facts.h"
#include "kernel/levers.h"
#include "kernel/process.h"
#include "policy/settings.h"
#include "report/stats.h"

#include <errno.h>
#include <pthread.h>

/** c, half-closed, may have become a TIME_WAIT entry that is to be removed. */
static bool may_reap(struct conn *c)
{
    return conn_is(c, CONN_SHUT_WR) && reap_allowed();
}

/** What was done at birth is all that the policy can do for c. */
static bool no_lever_left(struct conn *c)
{
    enum policy_kind kind = c->policy->kind;
    if (kind == POLICY_OFF || birth_app_linger(c))
        return true;
    if (may_reap(c))
        return false;
    return conn_is(c, CONN_ARMED) && !conn_is(c, CONN_APP_LINGER) &&
           (kind == POLICY_FIN_RST || (policy_kinds[kind].armed && !conn_is_sole(c)));
}

/**
 * Nothing to do or to tell, so not even a system call to make sure: the entry stays, stale,
 * until the fd's next birth replaces it. No lever is ever pulled on a stale entry: SO_COOKIE
 * tells.
 */
static bool may_stay(struct conn *c)
{
    if (atomic_load_explicit(&c->refs, memory_order_relaxed) != 1)
        return false;
    return !conn_is(c, CONN_BORN) || (!shim.reporting && no_lever_left(c));
}

/** Removes fd's reference. Returns whether c was a connection, still this one, and it ends now.
 */
static bool take(int fd, struct conn *c)
{
    if (!table_take(fd, c) || !conn_put(c))
        return false;
    if (conn_is(c, CONN_BORN) && facts_is_same(fd, c))
        return true;
    conn_free(c);
    return false;
}

/** Puts c, which has no reference, back behind fd. */
static void put_back(int fd, struct conn *c)
{
    atomic_store(&c->refs, 1);
    table_set(fd, c);
}

/** Whether unread input has to be counted: for the record, or to tell an unknown last
 * operation. */
static bool counts_unread(const struct conn *c, enum last_op last)
{
    bool unknown = last == LAST_NONE || last == LAST_UNKNOWN;
    return shim.reporting || (unknown && c->policy->kind == POLICY_LAST_READ);
}

/** Asks what the policy or the record needs to know, and notes it in the record. */
static void look(struct ending *e, struct facts *facts)
{
    struct conn *c = e->c;
    struct record *record = &e->record;
    facts->state = STATE_ESTABLISHED;
    if (!policy_kinds[c->policy->kind].asks && !shim.reporting)
        return;
    struct tcp_facts tcp = facts_ask(record->fd);
    record->unread = counts_unread(c, conn_last(c)) ? facts_unread(record->fd) : 0;
    record->unacked = shim.reporting ? facts_unacked(record->fd, &tcp) : 0;
    record->established =
        tcp.established || (tcp.state == STATE_CLOSE && c->role == ROLE_SERVER);
    record->state = tcp.state;
    record->last = facts_last(c, &tcp, record->unread);
    if (record->established)
        birth_count(c);
    facts->state = tcp.state;
    facts->unacked = tcp.unacked;
    facts->last = facts_resolve_last(record->last, &tcp, record->unread);
}

static bool pull(enum action action, int fd, struct conn *c)
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

/** NOTIMEWAIT_LINGER=override: the application's own way of closing is taken back. */
static void override_app(int fd, struct conn *c)
{
    if (conn_is(c, CONN_APP_LINGER))
        lever_linger_off(fd);
    if (conn_is(c, CONN_APP_LINGER2) && !conn_is(c, CONN_ARMED) && facts_linger2(fd) < 0)
        lever_fin_rst_off(fd);
}

/** Decides, and does what was decided. */
static void act(struct ending *e, struct facts *facts)
{
    struct conn *c = e->c;
    int fd = e->record.fd;
    lever_prepare(fd, policy_prepare(c->policy, facts), c->policy, facts);
    /* It may have forked while we waited, or another thread may be passing the socket on. */
    facts->sole = facts->sole && conn_is_sole(c) && !rights_in_flight(fd);
    struct decision decision = policy_decide(c->policy, facts);
    bool ours = decision.reason != REASON_OFF && decision.reason != REASON_APP_LINGER;
    if (ours && conn_is(c, CONN_APP_LINGERS))
        override_app(fd, c);
    if (!pull(decision.action, fd, c))
        decision = (struct decision){.action = ACTION_NONE, .reason = REASON_LEVER_FAILED};
    e->record.decision = decision;
}

static bool begin(struct ending *e, int fd, struct conn *c, enum via via, bool stdio_output)
{
    if (!owner_is_me())
        return false;
    /* Levers once pulled, the thread must not be cancelled before the call that they are for.
     */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &e->cancel);
    bool sole = conn_is_sole(c) && !rights_in_flight(fd);
    if (!take(fd, c)) {
        pthread_setcancelstate(e->cancel, NULL);
        return false;
    }
    *e = (struct ending){.c = c, .record = {.fd = fd, .via = via}, .cancel = e->cancel};
    e->begun = shim.reporting ? clock_now() : 0;
    struct facts facts = {
        .sole = sole, .app_linger = birth_app_linger(c), .stdio_output = stdio_output};
    look(e, &facts);
    if (may_reap(c))
        reap_half_closed(fd, c);
    act(e, &facts);
    return true;
}

/** Reports the close of c. */
static void record_conn(struct record *record, struct conn *c)
{
    record->policy = c->policy;
    record->role = c->role;
    record->local = c->local;
    record->peer = c->peer;
    record->connect_ns = -1;
    record_close(record);
}

bool ending_matters(int fd)
{
    struct conn *c = table_find(fd);
    return c && !may_stay(c);
}

bool ending_begin(struct ending *ending, int fd, enum via via, bool stdio_output)
{
    if (!ending_matters(fd))
        return false;
    int saved = errno;
    struct conn *c = table_find(fd);
    bool begun = c && begin(ending, fd, c, via, stdio_output);
    errno = saved;
    return begun;
}

void ending_finish(struct ending *ending, bool closed)
{
    int saved = errno;
    struct conn *c = ending->c;
    if (!closed) {
        put_back(ending->record.fd, c);
    } else {
        if (shim.reporting) {
            ending->record.close_ns = clock_now() - ending->begun;
            record_conn(&ending->record, c);
        }
        conn_free(c);
        reap_tick();
    }
    pthread_setcancelstate(ending->cancel, NULL);
    errno = saved;
}

bool ending_disconnect(struct ending *ending, int fd)
{
    struct conn *c = table_find(fd);
    if (!c || !conn_is(c, CONN_BORN))
        return false;
    int saved = errno;
    *ending = (struct ending){.c = c, .record = {.fd = fd, .via = VIA_DISCONNECT}};
    ending->generation = conn_generation(c);
    ending->record.decision.reason = REASON_DISCONNECT;
    bool ours = owner_is_me() && facts_is_same(fd, c);
    if (ours && shim.reporting) {
        struct facts facts = {0};
        look(ending, &facts);
        ending->begun = clock_now();
    }
    errno = saved;
    return ours;
}

void ending_disconnected(struct ending *ending, bool done)
{
    int fd = ending->record.fd;
    struct conn *c = done ? table_claim_again(fd, ending->c, ending->generation) : NULL;
    if (!c)
        return;
    int saved = errno;
    if (shim.reporting) {
        ending->record.close_ns = clock_now() - ending->begun;
        record_conn(&ending->record, c);
    }
    birth_undo(fd, c);
    table_release(c);
    errno = saved;
}

/** Takes c out of the table by whatever fd it is found, and reports it unless it is inherited.
 */
static void report_left_open(int fd, struct conn *c)
{
    if (!take(fd, c))
        return;
    if (c->epoch < owner_first_epoch()) {
        conn_free(c);
        return;
    }
    struct ending e = {.c = c, .record = {.fd = fd, .via = VIA_EXIT, .close_ns = -1}};
    struct facts facts = {0};
    look(&e, &facts);
    bool armed = conn_is(c, CONN_ARMED) && !conn_is(c, CONN_APP_LINGER);
    e.record.decision.action =
        armed && policy_state_resets(facts.state) ? ACTION_FIN_RST : ACTION_NONE;
    e.record.decision.reason = REASON_EXIT;
    record_conn(&e.record, c);
    conn_free(c);
}

/** The records of what is left open, and the statistics. */
static void report_at_exit(void)
{
    for (int fd = table_next(0, TABLE_FDS - 1); fd >= 0;
         fd = table_next((unsigned)fd + 1, TABLE_FDS - 1)) {
        struct conn *c = table_find(fd);
        if (c && conn_is(c, CONN_BORN))
            report_left_open(fd, c);
    }
    stats_write();
}

/** `report`: what there is to tell. */
static bool at_end(void (*report)(void))
{
    if (!(shim.reporting || reap_allowed()) || !owner_is_me())
        return false;
    int saved = errno;
    reap_at_exit();
    if (shim.reporting)
        report();
    errno = saved;
    return true;
}

void ending_at_exit(void)
{
    (void)at_end(report_at_exit);
}

bool ending_at_daemon(void)
{
    return at_end(stats_write);
}
