#include "report/guard.h"

#include <stddef.h>
#include <time.h>

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
    pthread_sigmask(SIG_BLOCK, &ours, &guard->before);
    for (size_t i = 0; i < OUR_SIGNALS; i++)
        blocked = blocked || sigismember(&guard->before, our_signals[i]) == 1;
    if (blocked) /* otherwise none can have been pending */
        sigpending(&guard->pending);
}

/** Takes away the signal that a failed write caused, and nothing else. */
static void take_signals(const struct guard *guard)
{
    sigset_t now;
    sigpending(&now);
    for (size_t i = 0; i < OUR_SIGNALS; i++) {
        sigset_t one;
        struct timespec at_once = {0};
        sigemptyset(&one);
        sigaddset(&one, our_signals[i]);
        if (sigismember(&now, our_signals[i]) == 1 &&
            sigismember(&guard->pending, our_signals[i]) == 0)
            sigtimedwait(&one, NULL, &at_once);
    }
}

void guard_end(struct guard *guard, bool failed)
{
    if (failed)
        take_signals(guard);
    pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}
