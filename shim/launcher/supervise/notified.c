#include "launcher/supervise/notified.h"
#include "kernel/raw.h"

#include "kernel/clock.h"
#include "launcher/reap/reaper.h"
#include "launcher/supervise/births.h"
#include "launcher/supervise/filter.h"
#include "launcher/supervise/recycle.h"
#include "launcher/supervise/target.h"
#include "policy/slots.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <linux/tcp.h> /* its own struct tcp_info ends before the byte counts */
#else
#include <netinet/tcp.h>
#endif

static const struct config *config;
static bool reaping, beside_library;
static uint64_t seed, draws;

/* A call as it is handled. */
struct notified {
    pid_t thread;
    enum call call;
    bool narrow; /* it is a 32-bit program */
    int fd;      /* our copy of its socket */
    uint64_t argument[6];
    union address peer; /* of a client */
    struct attempt *attempt;
};

void notified_begin(const struct config *in_force, bool reaper, bool library)
{
    config = in_force;
    reaping = reaper;
    beside_library = library;
    seed = config->seed;
    if (!config->seeded)
        (void)getrandom(&seed, sizeof(seed), 0);
}

/** SplitMix64 (Steele, Lea, Flood 2014): its n-th number. */
static uint64_t draw(uint64_t n)
{
    uint64_t z = seed + n * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

bool notified_needs_library(const struct policy *policy)
{
    switch (policy->kind) {
    case POLICY_OFF:
    case POLICY_AUTO:
    case POLICY_FIN_RST:
    case POLICY_REAP:
        return false;
    default:
        return true;
    }
}

/** The rules that are for this program. */
static const struct rules *rules_of(pid_t thread)
{
    static struct rules rules;
    char program[256];
    bool by_program = false;
    for (unsigned i = 0; i < config->rules.count; i++)
        by_program = by_program || config->rules.all[i].program;
    if (!by_program)
        return &config->rules;
    rules.count = config->rules.count;
    memcpy(rules.all, config->rules.all, rules.count * sizeof(rules.all[0]));
    target_program(thread, program, sizeof(program));
    rules_for_program(&rules, program);
    return &rules;
}

/** As in the library (connection/draw.c). */
static const struct policy *draw_from(const struct split *split, pid_t thread)
{
    struct timespec now;
    if (split->count == 1)
        return split->arms[0].policy;
    switch (config->split_by) {
    case SPLIT_BY_SLOT:
        clock_gettime(CLOCK_REALTIME, &now);
        struct slot slot =
            slot_at((int64_t)now.tv_sec * NS_PER_S + now.tv_nsec, config->slot_seconds);
        return split->arms[slots_arm(split, slot.number, config->seeded ? config->seed : 0)]
            .policy;
    case SPLIT_BY_PROCESS:
        return split_draw(split, draw((uint64_t)target_process(thread)));
    default:
        return split_draw(split, draw(++draws));
    }
}

static const struct policy *policy_of(const struct notified *notified,
                                      const struct newborn *born)
{
    return draw_from(births_split(rules_of(notified->thread), born), notified->thread);
}

/** What needs the library, where the library is not there, is `auto`. */
static enum policy_kind acts_as(const struct policy *policy)
{
    return notified_needs_library(policy) ? POLICY_AUTO : policy->kind;
}

static int option(int fd, int level, int name)
{
    int value = 0;
    socklen_t len = sizeof(value);
    return getsockopt(fd, level, name, &value, &len) == 0 ? value : 0;
}

static bool lingers(int fd)
{
    struct linger linger = {0};
    socklen_t len = sizeof(linger);
    return getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len) == 0 && linger.l_onoff;
}

/** TCP_LINGER2 -1 (fact 1), unless the program's own linger decides how its close goes. */
static void arm(int fd)
{
    static const struct linger off;
    static const int unset = -1;
    bool app_lingers = lingers(fd);
    if (app_lingers && !config->override_app_linger)
        return;
    if (app_lingers)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &unset, sizeof(unset));
}

static void note_for_reaper(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);
    if (reaping && getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0)
        reaper_add(cookie);
}

static bool is_bound(int fd)
{
    union address local = {.any.sa_family = AF_UNSPEC};
    socklen_t len = sizeof(local);
    return getsockname(fd, &local.any, &len) != 0 || local.in.sin_port != 0;
}

/**
 * connect() is called a second time, to see what has become of the first; or the connection is
 * over already. Then its entry in TIME_WAIT, which has the socket's cookie, may be that of
 * another process, which passed the fd on.
 */
static bool has_connected(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
           (info.tcpi_state != STATE_CLOSE || info.tcpi_bytes_acked > 0);
}

/** False: the call has to wait for a port. */
static bool prepare_client(const struct notified *notified, enum policy_kind kind, bool bound)
{
    if (kind == POLICY_OFF)
        return true;
    if (kind == POLICY_FIN_RST)
        arm(notified->fd);
    note_for_reaper(notified->fd);
    return bound || config->no_recycling ||
           recycle_before_connect(notified->fd, notified->thread, &notified->peer,
                                  notified->attempt->tries);
}

/** False: the call has to wait for a port. */
static bool act_for_client(const struct notified *notified)
{
    bool bound = is_bound(notified->fd);
    if (bound && has_connected(notified->fd))
        return true;
    struct newborn born = {.role = ROLE_CLIENT, .peer = notified->peer};
    struct attempt *attempt = notified->attempt;
    if (!attempt->policy)
        attempt->policy = policy_of(notified, &born);
    if (!prepare_client(notified, acts_as(attempt->policy), bound) && !attempt->last) {
        attempt->tries++;
        return false;
    }
    if (config->board || config->stats)
        births_count(notified->thread, attempt->policy, &notified->peer,
                     !bound && is_bound(notified->fd));
    return true;
}

/** What is accepted inherits it (fact 9). */
static void act_for_server(const struct notified *notified)
{
    struct newborn born = {.role = ROLE_SERVER};
    socklen_t len = sizeof(born.local);
    if (getsockname(notified->fd, &born.local.any, &len) == 0 &&
        acts_as(policy_of(notified, &born)) == POLICY_FIN_RST)
        arm(notified->fd);
}

/** The arguments of socketcall(2) lie in memory, each a long of the program's. */
static bool read_longs(struct notified *notified, uint64_t address)
{
    uint64_t wide[3] = {0};
    uint32_t small[3] = {0};
    bool narrow = notified->narrow;
    void *to = narrow ? (void *)small : wide;
    size_t size = narrow ? sizeof(small) : sizeof(wide);
    if (!target_read(notified->thread, narrow ? address & UINT32_MAX : address, to, size))
        return false;
    for (unsigned i = 0; i < 3; i++)
        notified->argument[i] = narrow ? small[i] : wide[i];
    return true;
}

static bool read_arguments(struct notified *notified, const struct seccomp_notif *call)
{
    struct raw_call raw = {call->data.arch, call->data.nr, {0}};
    bool multiplexed;
    memcpy(raw.args, call->data.args, sizeof(raw.args));
    notified->call = filter_call(&raw, &multiplexed, &notified->narrow);
    memcpy(notified->argument, raw.args, sizeof(raw.args));
    return multiplexed ? read_longs(notified, raw.args[1]) : notified->call != CALL_NONE;
}

/** The address that a message goes to: the first members of struct msghdr. */
static bool read_message(const struct notified *notified, uint64_t *address, uint64_t *len)
{
    struct {
        uint64_t address;
        uint32_t len;
    } wide = {0};
    struct {
        uint32_t address, len;
    } small = {0};
    bool narrow = notified->narrow;
    void *to = narrow ? (void *)&small : &wide;
    size_t size = narrow ? sizeof(small) : sizeof(wide);
    if (!target_read(notified->thread, notified->argument[1], to, size))
        return false;
    *address = narrow ? small.address : wide.address;
    *len = narrow ? small.len : wide.len;
    return true;
}

/** False unless it is an IPv4 or IPv6 address. */
static bool read_peer(struct notified *notified)
{
    uint64_t address = notified->argument[1];
    uint64_t len = notified->argument[2];
    union address copy = {.any.sa_family = AF_UNSPEC};
    if (notified->call == CALL_SEND) {
        address = notified->argument[4];
        len = notified->argument[5];
    } else if (notified->call != CALL_CONNECT && !read_message(notified, &address, &len)) {
        return false;
    }
    size_t size = (uint32_t)len < sizeof(copy) ? (uint32_t)len : sizeof(copy);
    if (size < sizeof(copy.in) || !target_read(notified->thread, address, &copy, size))
        return false;
    address_copy(&notified->peer, &copy.any, (socklen_t)size);
    return notified->peer.any.sa_family != AF_UNSPEC;
}

/**
 * The thread still waits in that call: what was read of it is its own (seccomp_unotify(2)). A
 * thread that was known before cannot be another one; and where the filter keeps signals from
 * what was received, it cannot have left the call either.
 */
static bool still_waits(int listener, uint64_t id, bool known)
{
    if (known && filter_keeps_signals())
        return true;
    return raw_call(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/** The library inside marks what it handles (connection/birth.c). */
static bool is_for_us(int fd)
{
    return option(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP &&
           (!beside_library || option(fd, SOL_SOCKET, SO_NO_CHECK) == 0);
}

bool notified_act(int listener, const struct seccomp_notif *call, struct attempt *attempt)
{
    struct notified notified = {.thread = (pid_t)call->pid, .attempt = attempt};
    bool done = true, known;
    if (!read_arguments(&notified, call))
        return true;
    if (notified.call != CALL_LISTEN && !read_peer(&notified))
        return true;
    notified.fd = target_fd(notified.thread, (int)notified.argument[0], &known);
    if (notified.fd < 0)
        return true;
    if (!still_waits(listener, call->id, known) || !is_for_us(notified.fd))
        done = true;
    else if (notified.call == CALL_LISTEN)
        act_for_server(&notified);
    else
        done = act_for_client(&notified);
    close(notified.fd);
    return done;
}
