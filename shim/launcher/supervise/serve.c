#include "launcher/supervise/serve.h"
#include "kernel/raw.h"

#include "kernel/clock.h"
#include "launcher/supervise/filter.h"
#include "launcher/supervise/notified.h"
#include "launcher/supervise/processes.h"
#include "launcher/supervise/recycle.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define SLOTS   64 /* calls that wait for a port, and the one that is handled */
#define WAIT_MS 5

/* A call in our hands; its id is 0 while there is none. The kernel may know more members. */
static struct slot {
    union {
        struct seccomp_notif call;
        char room[256];
    } u;
    struct attempt attempt;
    int64_t due_ns;
} * slots;

static int listener = -1;
static unsigned waiting; /* slots that have a call, between two rounds */

bool serve_prepare(void)
{
    slots = mmap(NULL, SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return slots != MAP_FAILED;
}

/** The kernel makes the call now. */
static void let_go_on(struct slot *slot)
{
    struct seccomp_notif_resp answer = {
        .id = slot->u.call.id,
        .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
    };
    (void)raw_call(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    memset(&slot->u.call, 0, sizeof(slot->u.call));
}

/* struct sched_attr (sched_setattr(2)), which not every libc has. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t slice_ns, deadline, period; /* the first one: __setparam_fair(), 6.12 */
};

/**
 * Whoever asks for short turns has the next one soon, before another's has ended (since Linux
 * 6.12: PREEMPT_SHORT, kernel/sched/fair.c). It takes no privilege.
 */
static void take_short_turns(void)
{
    struct attributes attributes = {.size = sizeof(attributes)};
    if (raw_call(SYS_sched_getattr, 0L, &attributes, sizeof(attributes), 0L) != 0 ||
        attributes.policy != SCHED_OTHER)
        return;
    attributes.slice_ns = NS_PER_MS / 10; /* the least that it gives */
    (void)raw_call(SYS_sched_setattr, 0L, &attributes, 0L);
}

/**
 * The sooner a call is received, the fewer signals interrupt it before (fact 18). And the
 * program and we take turns: the kernel need not look for another CPU.
 */
static void become_urgent(void)
{
    struct rlimit files;
    (void)setpriority(PRIO_PROCESS, 0, -20);
    take_short_turns();
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* pidfds, guards */
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)filter_wakes_in_turn(listener);
}

void serve_begin(int fd)
{
    listener = fd;
    become_urgent();
    for (struct slot *slot = slots; slot < slots + SLOTS; slot++)
        if (slot->u.call.id)
            let_go_on(slot);
    waiting = 0;
}

/** False: it waits for its next turn. */
static bool handle(struct slot *slot)
{
    slot->attempt.last = waiting + 1 >= SLOTS;
    if (!notified_act(listener, &slot->u.call, &slot->attempt)) {
        slot->due_ns = clock_now() + WAIT_MS * NS_PER_MS;
        return false;
    }
    let_go_on(slot);
    return true;
}

static struct slot *free_slot(void)
{
    struct slot *slot = slots;
    while (slot->u.call.id)
        slot++;
    return slot;
}

static void receive(void)
{
    struct slot *slot = free_slot();
    slot->attempt = (struct attempt){0};
    /* ENOENT: a signal has taken the caller away. */
    if (raw_call(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_RECV, &slot->u.call) != 0)
        memset(&slot->u.call, 0, sizeof(slot->u.call));
    else if (!handle(slot))
        waiting++;
}

/** Those that wait and are due; how many ms the next one has left, -1: none waits. */
static int go_on_waiting(int64_t now)
{
    for (struct slot *slot = slots; waiting > 0 && slot < slots + SLOTS; slot++) {
        if (!slot->u.call.id || now < slot->due_ns)
            continue;
        waiting--;
        if (!handle(slot))
            waiting++;
    }
    return waiting > 0 ? WAIT_MS : -1;
}

static int sooner(int a, int b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

/** Milliseconds, rounded up: poll() is not to end before. */
static int until(int64_t deadline, int64_t now)
{
    return (int)((deadline - now + NS_PER_MS - 1) / NS_PER_MS);
}

void serve(int signals, int ms)
{
    int64_t now = clock_now();
    int64_t deadline = now + ms * NS_PER_MS;
    bool signalled = false;
    for (; now < deadline && !signalled; now = clock_now()) {
        struct pollfd fds[] = {{.fd = listener, .events = POLLIN},
                               {.fd = signals, .events = POLLIN}};
        int next = sooner(go_on_waiting(now), recycle_expire(now / NS_PER_MS));
        next = sooner(next, processes_expire(now / NS_PER_MS));
        if (poll(fds, 2, sooner(next, until(deadline, now))) <= 0)
            continue;
        if (fds[0].revents & POLLIN)
            receive();
        else if (fds[0].revents)
            listener = -1; /* nobody has the filter any more */
        signalled = fds[1].revents != 0;
    }
}
