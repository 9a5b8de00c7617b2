#include "connection/reap.h"

#include "connection/table.h"
#include "kernel/clock.h"
#include "kernel/cookies.h"
#include "kernel/facts.h"
#include "kernel/libc.h"
#include "kernel/process.h"
#include "policy/settings.h"
#include "report/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/capability.h, which not every libc's headers come with. */
#define CAPABILITY_VERSION_3 0x20080522
#define CAP_NET_ADMIN        12

#define PASS_INTERVAL (1 * NS_PER_S)
#define PORT_INTERVAL (10 * NS_PER_MS)
#define PASS_BIRTHS   128  /* a pass for every so many, where many end in TIME_WAIT */
#define PATIENCE      2000 /* times that a fork() yields to a conversation */
#define EXIT_WAIT     (100 * NS_PER_MS)

/* The connections whose entries may be removed: ours, or the launcher's, which then does it. */
static struct cookies own;
static struct cookies_remote launcher;
static bool launcher_removes;

static _Atomic bool noting;
static _Atomic bool allowed;
static _Atomic bool noted;       /* at least one connection, in this process */
static _Atomic bool many;        /* the last pass removed many: births count, not only time */
static _Atomic uint32_t births;  /* since the last pass */
static _Atomic int64_t passed;   /* when the last pass was, clock_now() */
static _Atomic uint64_t removed; /* entries, in all */
static atomic_flag busy = ATOMIC_FLAG_INIT; /* one conversation at a time (diag.h) */
static _Thread_local bool held
    __attribute__((tls_model("initial-exec"))); /* `busy`, by hold() */

/** CAP_NET_ADMIN is effective. Whether it is one over the network namespace, the first use
 * tells. */
static bool capable(void)
{
    struct {
        uint32_t version;
        int pid;
    } header = {.version = CAPABILITY_VERSION_3};
    struct {
        uint32_t effective, permitted, inheritable;
    } sets[2] = {{0}};
    return syscall(SYS_capget, &header, sets) == 0 &&
           (sets[0].effective & 1u << CAP_NET_ADMIN) != 0;
}

/** The switch is thrown only here. */
static void not_allowed(void)
{
    atomic_store(&allowed, false);
    if (shim.config.reap == REAP_ON)
        sink_message("libnotimewait: NOTIMEWAIT_REAP: 'on', but TIME_WAIT entries cannot be "
                     "removed: that takes CAP_NET_ADMIN over the network namespace, and a "
                     "kernel with CONFIG_INET_DIAG_DESTROY that does it for TIME_WAIT (see "
                     "notimewait check); they are left");
}

/** Whether what a socket() or SOCK_DESTROY has failed with stays so. */
static bool is_for_good(int error)
{
    return error != 0 && error != EMFILE && error != ENFILE && error != ENOMEM &&
           error != ENOBUFS && error != ENOENT && error != EINTR;
}

static bool reaps(const struct policy *policy)
{
    return policy_kinds[policy->kind].reaps;
}

static bool is_reap(const struct policy *policy)
{
    return policy->kind == POLICY_REAP;
}

static bool wanted(void)
{
    return shim.config.reap != REAP_OFF && policies_any(&shim.config.policies, reaps);
}

static bool policy_reap_occurs(void)
{
    return policies_any(&shim.config.policies, is_reap);
}

/** Whether the launcher is there and removes the entries. */
static bool reach_launcher(void)
{
    if (!shim.config.reaper)
        return false;
    if (cookies_remote_parse(shim.config.reaper, &launcher) &&
        cookies_remote_reached(&launcher))
        return true;
    sink_message("libnotimewait: NOTIMEWAIT_REAPER: notimewait --reap cannot be reached "
                 "(another user?); TIME_WAIT entries of this process are left to itself");
    return false;
}

/** Before a fork(): no copy of our netlink socket is to go with it. */
static void hold(void)
{
    held = false;
    for (int i = 0; i < PATIENCE && !held; i++) {
        held = !atomic_flag_test_and_set(&busy);
        if (!held)
            sched_yield();
    }
}

static void go_on(void)
{
    if (held)
        atomic_flag_clear(&busy);
}

void reap_init(void)
{
    if (!wanted())
        return;
    launcher_removes = reach_launcher();
    atomic_store(&noting, launcher_removes);
    if (launcher_removes)
        return;
    if (!capable()) {
        not_allowed();
        return;
    }
    pthread_atfork(hold, go_on, reap_reset);
    atomic_store(&many, policy_reap_occurs());
    atomic_store(&passed, clock_now());
    atomic_store(&noting, true);
    atomic_store(&allowed, true);
}

void reap_reset(void)
{
    atomic_store(&noted, false);
    atomic_store(&births, 0);
    atomic_store(&removed, 0);
    atomic_flag_clear(&busy);
}

bool reap_allowed(void)
{
    return atomic_load_explicit(&allowed, memory_order_relaxed);
}

void reap_note(const struct conn *c)
{
    if (!atomic_load_explicit(&noting, memory_order_relaxed) ||
        !policy_kinds[c->policy->kind].reaps)
        return;
    int saved = errno;
    if (launcher_removes)
        (void)cookies_remote_add(&launcher, c->cookie);
    else
        cookies_add(&own, c->cookie);
    errno = saved;
    atomic_fetch_add_explicit(&births, 1, memory_order_relaxed);
    atomic_store_explicit(&noted, true, memory_order_relaxed);
}

void reap_forget(const struct conn *c)
{
    cookies_forget(&own, c->cookie);
}

static void take_result(const struct removal *pass)
{
    if (is_for_good(pass->error))
        not_allowed();
    atomic_fetch_add(&removed, pass->removed);
}

/** A conversation with the kernel. Signals stay away: a handler that leaves by longjmp() would
 * leave it begun. */
struct conversation {
    int diag;
    sigset_t before;
};

/** False where another thread has one. Ended by leave(). */
static bool enter(struct conversation *conversation)
{
    sigset_t all;
    if (!reap_allowed() || !owner_is_me())
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &conversation->before);
    if (!atomic_flag_test_and_set(&busy)) {
        conversation->diag = diag_open();
        if (conversation->diag >= 0)
            return true;
        if (is_for_good(errno)) /* by a seccomp filter, for one */
            not_allowed();
        atomic_flag_clear(&busy);
    }
    pthread_sigmask(SIG_SETMASK, &conversation->before, NULL);
    return false;
}

static void leave(struct conversation *conversation)
{
    diag_close(conversation->diag);
    atomic_flag_clear(&busy);
    pthread_sigmask(SIG_SETMASK, &conversation->before, NULL);
}

static struct removal pass_now(void)
{
    int saved = errno;
    struct removal pass = {0};
    struct conversation conversation;
    if (enter(&conversation)) {
        uint32_t since = atomic_exchange(&births, 0);
        pass = cookies_remove_entries(&own, conversation.diag);
        take_result(&pass);
        atomic_store(&many, policy_reap_occurs() || pass.removed > since / 8);
        atomic_store(&passed, clock_now());
        leave(&conversation);
    }
    errno = saved;
    return pass;
}

bool reap_for_port(void)
{
    if (!reap_allowed())
        return false;
    bool due = clock_now() - atomic_load(&passed) >= PORT_INTERVAL;
    return (due || atomic_load(&births) > 0) && pass_now().removed > 0;
}

void reap_tick(void)
{
    if (!reap_allowed())
        return;
    bool due = clock_now() - atomic_load(&passed) >= PASS_INTERVAL;
    if (due || (atomic_load(&many) && atomic_load(&births) >= PASS_BIRTHS))
        pass_now();
}

void reap_at_exec(void)
{
    if (reap_allowed() && atomic_load(&noted))
        pass_now();
}

void reap_at_exit(void)
{
    if (!reap_allowed() || !atomic_load(&noted))
        return;
    int64_t deadline = clock_now() + EXIT_WAIT;
    struct removal pass = pass_now();
    while (pass.closing > 0 && policy_reap_occurs() && clock_now() < deadline) {
        struct timespec ms = {.tv_nsec = NS_PER_MS};
        ppoll(NULL, 0, &ms, NULL);
        pass = pass_now();
    }
}

uint64_t reap_count(void)
{
    return atomic_load(&removed);
}

void reap_half_closing(int fd, struct conn *c)
{
    if (!reap_allowed() || !policy_kinds[c->policy->kind].reaps ||
        c->local.any.sa_family != AF_UNSPEC)
        return;
    int saved = errno;
    struct conn *claimed = table_claim(fd);
    if (claimed == c)
        facts_addresses(fd, &c->local, &c->peer);
    if (claimed)
        table_release(claimed);
    errno = saved;
}

bool reap_half_closed(int fd, const struct conn *c)
{
    if (!cookies_has(&own, c->cookie) || c->peer.any.sa_family == AF_UNSPEC ||
        facts_ask(fd).state != STATE_CLOSE)
        return false;
    struct diag_socket socket = diag_socket(&c->local, &c->peer, c->cookie);
    struct conversation conversation;
    if (!enter(&conversation))
        return false;
    struct removal pass = {0};
    if (diag_find(conversation.diag, &socket) && socket.state == STATE_TIME_WAIT) {
        pass.error = diag_destroy(conversation.diag, &socket);
        pass.removed = pass.error == 0;
    }
    take_result(&pass);
    leave(&conversation);
    return pass.removed > 0;
}
