#include "kernel/lock.h"

#include "kernel/clock.h"
#include "kernel/process.h"
#include "kernel/raw.h"
#include "kernel/signals.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#define YIELDS       100
#define FORK_WAIT_MS 200

/* The lock is lost when so many did without during one hold, and it is as old as that. */
#define LOST_MISSES 64
#define LOST_NS     (2 * NS_PER_S)

static _Atomic uintptr_t holder; /* its thread; 0: free */
static _Atomic int64_t since;
static _Atomic unsigned misses; /* since then */
static _Atomic bool lost;
static _Atomic bool for_fork; /* it is held by a thread that forks */
static enum lock_hold fork_hold;

static bool try(uintptr_t me)
{
    uintptr_t nobody = 0;
    if (!atomic_compare_exchange_strong(&holder, &nobody, me))
        return false;
    atomic_store(&since, clock_now());
    atomic_store(&misses, 0);
    return true;
}

/**
 * A signal handler that interrupted the holder, see lock.h, however far that is with taking or
 * releasing it: holder is left as it is.
 */
static bool is_above(uintptr_t me)
{
    return atomic_load(&holder) == me && !atomic_load(&for_fork) &&
           !process_may_share_storage();
}

/** An address that no other living thread has, unless two share their storage. */
static uintptr_t this_thread(void)
{
    return (uintptr_t)&process_maybe_vforked;
}

/**
 * A thread that a signal handler took out of here by longjmp() never lets go. One that was
 * stopped may, and then the lock is found again.
 */
static enum lock_hold give_up(void)
{
    if (atomic_load(&holder) && atomic_fetch_add(&misses, 1) > LOST_MISSES &&
        clock_now() > atomic_load(&since) + LOST_NS)
        atomic_store(&lost, true);
    return LOCK_NOT_HELD;
}

enum lock_hold lock_take(unsigned wait_ms)
{
    uintptr_t me = this_thread();
    for (unsigned i = 0; i < YIELDS + wait_ms; i++) {
        if (process_is_sealed())
            return LOCK_NOT_HELD;
        if (atomic_load(&lost))
            break;
        if (is_above(me))
            return LOCK_HELD_BELOW;
        if (try(me))
            return LOCK_HELD;
        if (i < YIELDS)
            raw_call(SYS_sched_yield);
        else
            lock_pause(1);
    }
    return give_up();
}

bool lock_is_lost(void)
{
    return atomic_load(&lost);
}

void lock_release(enum lock_hold hold)
{
    if (hold != LOCK_HELD)
        return;
    atomic_store(&lost, false);
    atomic_store(&holder, 0);
}

void lock_hold_signals(struct lock_signals *before)
{
    before->mask = signals_hold();
}

void lock_let_signals(const struct lock_signals *before)
{
    signals_let(before->mask);
}

/** Nobody takes the lock where no system call may be made; to tell the time may be one. */
void lock_forking(void)
{
    if (process_is_sealed())
        return;
    enum lock_hold hold = lock_take(FORK_WAIT_MS);
    if (hold != LOCK_NOT_HELD) {
        fork_hold = hold;
        for_fork = true;
    }
}

void lock_forked(void)
{
    if (for_fork && atomic_load(&holder) == this_thread()) {
        for_fork = false;
        lock_release(fork_hold);
    }
}

void lock_reset(void)
{
    for_fork = false;
    atomic_store(&lost, false);
    atomic_store(&holder, 0);
}

/** A handler ends raw_poll(). Where a filter refuses the call, there is no pause. */
void lock_pause(long ms)
{
    struct raw_time left = raw_time(ms * NS_PER_MS);
    while (raw_poll(NULL, 0, &left) < 0 && errno == EINTR && !process_is_sealed())
        ;
}
