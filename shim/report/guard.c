#include "report/guard.h"

#include "kernel/raw.h"

#include <stddef.h>
#include <time.h>

/* By number: a sanitizer's functions are not ready when the first message is written. */
#define KERNEL_SET ((long)(_NSIG / 8)) /* bytes of a set that the kernel looks at */

static const int our_signals[] = {SIGPIPE, SIGXFSZ, SIGTTOU};
#define OUR_SIGNALS (sizeof(our_signals) / sizeof(our_signals[0]))

void guard_begin(struct guard *guard)
{
    sigset_t ours;
    bool blocked = false;
    sigemptyset(&ours);
    sigemptyset(&guard->pending);
    for (size_t i = 0; i < OUR_SIGNALS; i++)
        sigaddset(&ours, our_signals[i]);
    raw_call(SYS_rt_sigprocmask, SIG_BLOCK, &ours, &guard->before, KERNEL_SET);
    for (size_t i = 0; i < OUR_SIGNALS; i++)
        blocked = blocked || sigismember(&guard->before, our_signals[i]) == 1;
    if (blocked) /* otherwise none can have been pending */
        raw_call(SYS_rt_sigpending, &guard->pending, KERNEL_SET);
}

/** Takes away the signal that a failed write caused, and nothing else. */
static void take_signals(const struct guard *guard)
{
    sigset_t now;
    raw_call(SYS_rt_sigpending, &now, KERNEL_SET);
    for (size_t i = 0; i < OUR_SIGNALS; i++) {
        sigset_t one;
        struct timespec at_once = {0};
        sigemptyset(&one);
        sigaddset(&one, our_signals[i]);
        if (sigismember(&now, our_signals[i]) == 1 &&
            sigismember(&guard->pending, our_signals[i]) == 0)
            raw_call(SYS_rt_sigtimedwait, &one, NULL, &at_once, KERNEL_SET);
    }
}

void guard_end(struct guard *guard, bool failed)
{
    if (failed)
        take_signals(guard);
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &guard->before, NULL, KERNEL_SET);
}
