#include "owed.h"

#include "birth.h"
#include "clock.h"
#include "facts.h"
#include "next.h"
#include "owner.h"
#include "reap.h"
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* From linux/futex.h, which not every libc's headers come with. */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

#define DEBTS       64
#define LOW_FDS     32  /* which a program may count on */
#define IDLE_ROUNDS 200 /* of OWED_MS / 2, before the thread has to be woken */

enum debt_state { DEBT_NONE, DEBT_TAKEN, DEBT_OWED };

static struct debt {
    struct conn *c;
    const void *_Atomic thread; /* its `self` */
    _Atomic uint32_t state;     /* whoever changes it to DEBT_TAKEN has the rest to itself */
    int fd, how;
    _Atomic bool seen; /* by our thread: it pays the next time */
} debts[DEBTS];

_Atomic uint32_t owed_count;
static _Atomic bool idle; /* the thread waits until owed_count is not 0 */
/* (Of the model that needs no help of the dynamic linker, and no malloc.) */
static _Thread_local char self __attribute__((tls_model("initial-exec")));

/* In libpthread, which a program may lack, before glibc 2.34. */
extern __typeof(pthread_create) pthread_create __attribute__((weak));

enum collector { COLLECTOR_NONE, COLLECTOR_STARTING, COLLECTOR_RUNS, COLLECTOR_FAILED };
static _Atomic int collector;

static bool take(struct debt *debt)
{
    uint32_t owed = DEBT_OWED;
    return atomic_compare_exchange_strong(&debt->state, &owed, DEBT_TAKEN);
}

static void forgive(struct debt *debt)
{
    atomic_fetch_sub(&owed_count, 1);
    atomic_store(&debt->state, DEBT_NONE);
}

int owed_not(int fd, struct conn *c, int how)
{
    if (how != SHUT_RD && conn_is(c, CONN_BORN))
        reap_half_closing(fd, c);
    int r = next.shutdown(fd, how);
    if (r == 0 && how != SHUT_WR)
        conn_mark(c, CONN_SHUT_RD);
    if (r == 0 && how != SHUT_RD)
        conn_mark(c, CONN_SHUT_WR);
    return r;
}

/** `fd`: the debt's, or a copy of it. */
static void pay(struct debt *debt, int fd)
{
    if (facts_is_same(fd, debt->c))
        owed_not(fd, debt->c, debt->how);
    forgive(debt);
}

void owed_settle_but(int fd)
{
    int saved = errno;
    for (struct debt *debt = debts; debt < debts + DEBTS; debt++) {
        if (atomic_load(&debt->state) != DEBT_OWED)
            continue;
        bool mine = atomic_load(&debt->thread) == &self;
        bool closing = fd >= 0 && debt->fd == fd;
        if (!(mine || closing) || !owner_is_me() || !take(debt))
            continue;
        if (debt->fd == fd)
            forgive(debt);
        else
            pay(debt, debt->fd);
    }
    errno = saved;
}

void owed_settle_mine(void)
{
    owed_settle_but(-1);
}

void owed_settle_all(void)
{
    if (atomic_load(&owed_count) == 0 || !owner_is_me())
        return;
    int saved = errno;
    for (struct debt *debt = debts; debt < debts + DEBTS; debt++)
        if (take(debt))
            pay(debt, debt->fd);
    errno = saved;
}

/**
 * Another thread may close the fd at any moment, and yet another one get it anew: what is
 * looked at and shut down is a copy, which stays what it is.
 */
static void pay_for_others(void)
{
    for (struct debt *debt = debts; debt < debts + DEBTS; debt++) {
        if (atomic_load(&debt->state) != DEBT_OWED || !atomic_exchange(&debt->seen, true) ||
            !take(debt))
            continue;
        int copy = next.fcntl(debt->fd, F_DUPFD_CLOEXEC, LOW_FDS);
        pay(debt, copy >= 0 || errno == EBADF ? copy : debt->fd);
        if (copy >= 0)
            next.close(copy);
    }
}

static void *collect(void *unused)
{
    (void)unused;
    struct timespec round = {.tv_nsec = OWED_MS * NS_PER_MS / 2};
    for (int rounds = 0;; rounds++) {
        if (atomic_load(&owed_count) > 0)
            rounds = 0;
        if (rounds > IDLE_ROUNDS) {
            atomic_store(&idle, true);
            syscall(SYS_futex, &owed_count, FUTEX_WAIT_PRIVATE, 0, NULL);
            atomic_store(&idle, false);
        }
        clock_nanosleep(CLOCK_MONOTONIC, 0, &round, NULL);
        pay_for_others();
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

static bool collector_runs(void)
{
    int none = COLLECTOR_NONE;
    if (atomic_compare_exchange_strong(&collector, &none, COLLECTOR_STARTING))
        atomic_store(&collector, start_collector() ? COLLECTOR_RUNS : COLLECTOR_FAILED);
    return atomic_load(&collector) == COLLECTOR_RUNS;
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
    if (!shim.config.owe_fin || (how != SHUT_WR && how != SHUT_RDWR) ||
        !conn_is(c, CONN_BORN) || c->role != ROLE_CLIENT || !conn_is_sole(c))
        return false;
    enum last_op last = conn_last(c);
    return (last == LAST_READ || last == LAST_EOF) && !birth_app_linger(c) &&
           policy_gains(c->policy) && finished(fd, c);
}

static bool owe(int fd, struct conn *c, int how)
{
    for (struct debt *debt = debts; debt < debts + DEBTS; debt++) {
        uint32_t none = DEBT_NONE;
        if (!atomic_compare_exchange_strong(&debt->state, &none, DEBT_TAKEN))
            continue;
        debt->fd = fd;
        debt->how = how;
        debt->c = c;
        atomic_store(&debt->thread, &self);
        atomic_store(&debt->seen, false);
        bool first = atomic_fetch_add(&owed_count, 1) == 0;
        atomic_store(&debt->state, DEBT_OWED);
        if (first && atomic_load(&idle))
            syscall(SYS_futex, &owed_count, FUTEX_WAKE_PRIVATE, 1);
        return true;
    }
    return false;
}

bool owed_shutdown(int fd, struct conn *c, int how)
{
    int saved = errno;
    bool owed = may_owe(fd, c, how) && collector_runs() && owe(fd, c, how);
    errno = saved;
    return owed;
}

void owed_reset(void)
{
    for (struct debt *debt = debts; debt < debts + DEBTS; debt++)
        atomic_store(&debt->state, DEBT_NONE);
    atomic_store(&owed_count, 0);
    atomic_store(&idle, false);
    atomic_store(&collector, COLLECTOR_NONE);
}

void owed_init(void)
{
    if (shim.config.owe_fin)
        pthread_atfork(owed_settle_all, NULL, owed_reset);
}
