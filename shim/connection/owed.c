#include "connection/owed.h"

#include "connection/birth.h"
#include "connection/reap.h"
#include "kernel/clock.h"
#include "kernel/facts.h"
#include "kernel/libc.h"
#include "kernel/process.h"
#include "policy/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#define DEBTS       64
#define LOW_FDS     32   /* which a program may count on */
#define IDLE_ROUNDS 200  /* of OWED_MS / 2, before the thread ends */
#define PATIENCE    2000 /* times that a thread yields to another that pays or closes */
#define USERS       4096 /* fds that share a count by their number lose nothing but the gain */

/*
 * DEBT_TAKEN: somebody pays it, DEBT_CLOSING: a close() that it was left to is under way; who
 * changed the state to these has the rest to itself.
 */
enum debt_state { DEBT_NONE, DEBT_TAKEN, DEBT_CLOSING, DEBT_OWED };

static struct debt {
    struct conn *c;
    uint64_t cookie;            /* c may be another connection by now */
    const void *_Atomic thread; /* its `self` */
    _Atomic uint32_t state;
    _Atomic int fd;
    uint32_t generation; /* of c */
    int how;
    _Atomic bool seen; /* by our thread: it pays the next time */
} debts[DEBTS];

bool owed_mode;
_Atomic uint32_t owed_count;

/* Calls under way, by fd, and those that may use any. One that is cancelled, or left by
 * longjmp(), counts for ever: then the FIN is sent. */
static _Atomic uint32_t users[USERS], users_of_any;

/* (Of the model that needs no help of the dynamic linker, and no malloc.) */
static _Thread_local char self __attribute__((tls_model("initial-exec")));

/* In libpthread, which a program may lack, before glibc 2.34. */
extern __typeof(pthread_create) pthread_create __attribute__((weak));

static _Atomic bool collecting; /* our thread runs, or is about to */

static bool take(struct debt *debt, enum debt_state to)
{
    uint32_t owed = DEBT_OWED;
    return atomic_compare_exchange_strong(&debt->state, &owed, (uint32_t)to);
}

/** The debt is over, paid or left to a close. */
static void clear(struct debt *debt)
{
    atomic_fetch_sub(&owed_count, 1);
    atomic_store(&debt->state, DEBT_NONE);
}

static void remember(struct conn *c, int how)
{
    if (how != SHUT_WR)
        conn_mark(c, CONN_SHUT_RD);
    if (how != SHUT_RD)
        conn_mark(c, CONN_SHUT_WR);
}

int owed_not(int fd, struct conn *c, int how)
{
    if (how != SHUT_RD && conn_is(c, CONN_BORN))
        reap_half_closing(fd, c);
    int r = next.shutdown(fd, how);
    if (r == 0)
        remember(c, how);
    return r;
}

/** Signals stay away: a handler that leaves by longjmp() would leave the debt unpaid. */
static void pay_by(struct debt *debt, int fd)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    if (facts_cookie(fd) == debt->cookie) {
        next.shutdown(fd, debt->how);
        if (conn_generation(debt->c) == debt->generation)
            remember(debt->c, debt->how);
    }
    clear(debt);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/**
 * Another thread may close the fd at any moment, and yet another one get it anew: what is
 * looked at and shut down is a copy, which stays what it is.
 */
static void pay(struct debt *debt)
{
    int copy = next.fcntl(debt->fd, F_DUPFD_CLOEXEC, LOW_FDS);
    pay_by(debt, copy >= 0 || errno == EBADF ? copy : debt->fd);
    if (copy >= 0)
        next.close(copy);
}

static bool is_mine(struct debt *debt)
{
    return atomic_load(&debt->thread) == &self;
}

/** Waits, but not for ever, while others pay debts or close by them; fd: only by this one. */
static void wait_for_others(int fd)
{
    for (int i = 0; i < PATIENCE; i++) {
        bool busy = false;
        for (struct debt *debt = debts; debt < debts + DEBTS; debt++) {
            uint32_t state = atomic_load(&debt->state);
            busy = busy || ((state == DEBT_TAKEN || state == DEBT_CLOSING) && !is_mine(debt) &&
                            (fd < 0 || debt->fd == fd));
        }
        if (!busy)
            return;
        sched_yield();
    }
}

/** Pays what this thread owes, and what is owed by fd. */
static void settle(int fd)
{
    if (!owner_is_me())
        return;
    int saved = errno;
    for (struct debt *debt = debts; debt < debts + DEBTS; debt++)
        if (atomic_load(&debt->state) == DEBT_OWED && (is_mine(debt) || debt->fd == fd) &&
            take(debt, DEBT_TAKEN))
            pay(debt);
    if (fd >= 0)
        wait_for_others(fd);
    errno = saved;
}

void owed_settle_mine(void)
{
    settle(-1);
}

void owed_settle_all(void)
{
    if (atomic_load(&owed_count) == 0 || !owner_is_me())
        return;
    int saved = errno;
    for (struct debt *debt = debts; debt < debts + DEBTS; debt++)
        if (take(debt, DEBT_TAKEN))
            pay(debt);
    wait_for_others(-1);
    errno = saved;
}

/* Counting comes first, and looking at the debts afterwards; a close does it the other way
 * round, so one of the two sees the other. */

void owed_enter(int fd)
{
    atomic_fetch_add(&users[(unsigned)fd % USERS], 1);
    if (atomic_load(&owed_count) != 0)
        settle(fd);
}

void owed_leave(int fd)
{
    atomic_fetch_sub(&users[(unsigned)fd % USERS], 1);
}

void owed_enter_any(void)
{
    atomic_fetch_add(&users_of_any, 1);
    owed_settle_all();
}

void owed_leave_any(void)
{
    atomic_fetch_sub(&users_of_any, 1);
}

/** The close of debt->fd, which begins, is certain to end the connection. */
static bool ends_by_close(struct debt *debt)
{
    return atomic_load(&users[(unsigned)debt->fd % USERS]) == 0 &&
           atomic_load(&users_of_any) == 0 && conn_generation(debt->c) == debt->generation &&
           conn_is_sole(debt->c) && owner_is_me();
}

struct owed_close owed_close_begin(int fd)
{
    struct owed_close close = {.began = true, .debt = -1};
    int saved = errno;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &close.cancel);
    for (int i = 0; i < DEBTS && close.debt < 0; i++) {
        if (debts[i].fd != fd || !take(&debts[i], DEBT_CLOSING))
            continue;
        atomic_store(&debts[i].thread, &self);
        if (ends_by_close(&debts[i]))
            close.debt = i;
        else
            pay(&debts[i]);
    }
    owed_settle();
    errno = saved;
    return close;
}

void owed_close_end(struct owed_close *close)
{
    if (close->debt >= 0)
        clear(&debts[close->debt]);
    pthread_setcancelstate(close->cancel, NULL);
}

/** Pays what was there already the last time. */
static void pay_the_old(void)
{
    for (struct debt *debt = debts; debt < debts + DEBTS; debt++)
        if (atomic_load(&debt->state) == DEBT_OWED && atomic_exchange(&debt->seen, true) &&
            take(debt, DEBT_TAKEN))
            pay(debt);
}

/** False where a debt has come meanwhile, and nobody else was started for it. */
static bool may_end(void)
{
    atomic_store(&collecting, false);
    return atomic_load(&owed_count) == 0 || atomic_exchange(&collecting, true);
}

/** Ends when it is idle: a process whose other threads have all ended ends with it. */
static void *collect(void *unused)
{
    (void)unused;
    struct timespec round = {.tv_nsec = OWED_MS * NS_PER_MS / 2};
    for (int idle = 0; idle < IDLE_ROUNDS || !may_end(); idle++) {
        clock_nanosleep(CLOCK_MONOTONIC, 0, &round, NULL);
        if (atomic_load(&owed_count) > 0)
            idle = 0;
        pay_the_old();
    }
    return NULL;
}

static bool start_collector(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    if (!pthread_create || pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    bool started = pthread_create(&thread, &attributes, collect, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

/** There is a thread that will look at the debts of now. */
static bool collector_runs(void)
{
    if (atomic_exchange(&collecting, true) || start_collector())
        return true;
    atomic_store(&collecting, false);
    return false;
}

/** Under the others a FIN is sent whatever close() does. */
static bool policy_gains(const struct policy *policy)
{
    return policy->kind != POLICY_OFF && policy->kind != POLICY_LINGER &&
           policy->kind != POLICY_REAP;
}

/** Request and reply are over, and nothing is under way. */
static bool finished(int fd, struct conn *c)
{
    if (!owner_is_me() || !facts_is_same(fd, c) || facts_unread(fd) > 0)
        return false;
    struct tcp_facts tcp = facts_ask(fd);
    return (tcp.state == STATE_ESTABLISHED || tcp.state == STATE_CLOSE_WAIT) && !tcp.unacked;
}

static bool may_owe(int fd, struct conn *c, int how)
{
    if (!owed_mode || (how != SHUT_WR && how != SHUT_RDWR) || !conn_is(c, CONN_BORN) ||
        c->role != ROLE_CLIENT || !conn_is_sole(c))
        return false;
    enum last_op last = conn_last(c);
    return (last == LAST_READ || last == LAST_EOF) && !birth_app_linger(c) &&
           policy_gains(c->policy) && finished(fd, c);
}

static struct debt *owe(int fd, struct conn *c, int how)
{
    for (struct debt *debt = debts; debt < debts + DEBTS; debt++) {
        uint32_t none = DEBT_NONE;
        if (!atomic_compare_exchange_strong(&debt->state, &none, DEBT_TAKEN))
            continue;
        debt->c = c;
        debt->generation = conn_generation(c);
        debt->cookie = c->cookie;
        debt->how = how;
        debt->fd = fd;
        atomic_store(&debt->thread, &self);
        atomic_store(&debt->seen, false);
        atomic_fetch_add(&owed_count, 1);
        atomic_store(&debt->state, DEBT_OWED);
        return debt;
    }
    return NULL;
}

bool owed_shutdown(int fd, struct conn *c, int how)
{
    int saved = errno;
    struct debt *debt = NULL;
    if (may_owe(fd, c, how)) {
        reap_half_closing(fd, c); /* while the kernel tells its addresses */
        debt = owe(fd, c, how);
    }
    if (debt && !collector_runs() && take(debt, DEBT_TAKEN))
        pay(debt);
    errno = saved;
    return debt != NULL;
}

void owed_reset(void)
{
    for (struct debt *debt = debts; debt < debts + DEBTS; debt++)
        atomic_store(&debt->state, DEBT_NONE);
    for (int i = 0; i < USERS; i++)
        atomic_store(&users[i], 0);
    atomic_store(&users_of_any, 0);
    atomic_store(&owed_count, 0);
    atomic_store(&collecting, false);
}
