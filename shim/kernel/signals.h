/*
 * signals: holding a thread's signals back for a moment.
 *
 * Not those that an instruction of the thread's own causes: a fault in free(), which a garbage
 * collector's handler mends, or a system call that an inherited filter traps. Blocked, such a
 * signal kills the process in place of calling its handler (force_sig_info_to_task()).
 */
#ifndef SIGNALS_H
#define SIGNALS_H

#include "kernel/raw.h"

#include <signal.h>
#include <stdint.h>

/* As the kernel has sets: bit N-1 for signal N (sigprocmask(2)). */
#define SIGNALS_BIT(signal) (UINT64_C(1) << ((signal)-1))
#define SIGNALS_OF_INSTRUCTIONS                                                                \
    (SIGNALS_BIT(SIGSEGV) | SIGNALS_BIT(SIGBUS) | SIGNALS_BIT(SIGILL) | SIGNALS_BIT(SIGFPE) |  \
     SIGNALS_BIT(SIGTRAP) | SIGNALS_BIT(SIGSYS))

/** Returns the thread's mask as it was, for signals_let(). */
static inline uint64_t signals_hold(void)
{
    uint64_t held = ~SIGNALS_OF_INSTRUCTIONS, before = 0;
    raw_call(SYS_rt_sigprocmask, SIG_BLOCK, &held, &before, sizeof(held));
    return before;
}

static inline void signals_let(uint64_t before)
{
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(before));
}

#endif
