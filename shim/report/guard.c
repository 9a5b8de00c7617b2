#include "report/guard.h"

#include "kernel/raw.h"
#include "kernel/signals.h"

#include <stddef.h>
#include <time.h>

#define OURS     (SIGNALS_BIT(SIGPIPE) | SIGNALS_BIT(SIGXFSZ) | SIGNALS_BIT(SIGTTOU))
#define SET_SIZE ((long)sizeof(uint64_t))

void guard_begin(struct guard *guard)
{
    uint64_t ours = OURS;
    guard->pending = 0;
    raw_call(SYS_rt_sigprocmask, SIG_BLOCK, &ours, &guard->before, SET_SIZE);
    if (guard->before & OURS) /* otherwise none can have been pending */
        raw_call(SYS_rt_sigpending, &guard->pending, SET_SIZE);
}

/** Takes away the signal that a failed write caused, and nothing else. */
static void take_signals(const struct guard *guard)
{
    uint64_t now = 0;
    raw_call(SYS_rt_sigpending, &now, SET_SIZE);
    now &= OURS & ~guard->pending;
    for (int signal = 1; now; signal++, now >>= 1) {
        uint64_t one = SIGNALS_BIT(signal);
        struct raw_time at_once = raw_time(0);
        if (now & 1)
            raw_call(SYS_rt_sigtimedwait, &one, NULL, &at_once, SET_SIZE);
    }
}

void guard_end(struct guard *guard, bool failed)
{
    if (failed)
        take_signals(guard);
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &guard->before, NULL, SET_SIZE);
}
