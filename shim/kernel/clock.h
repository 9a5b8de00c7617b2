/*
 * clock: time that only goes forward, in nanoseconds.
 *
 * Owns: who tells it. A library that is preloaded beside us, or the program, may have a
 * clock_gettime() that stands still or jumps (libfaketime): no wait of ours may go by it.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_US INT64_C(1000)

typedef int clock_function(clockid_t clock, struct timespec *ts);

/** The name's own, until the library has started. */
extern clock_function *clock_source __attribute__((visibility("hidden")));

/** The kernel's, by a system call. -1 with errno. */
int clock_by_number(clockid_t clock, struct timespec *ts);

static inline int64_t clock_now(void)
{
    struct timespec ts;
    clock_source(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

#endif
