#include "kernel/clock.h"

#include "kernel/raw.h"

clock_function *clock_source = clock_gettime;

/* What takes this libc's struct timespec. */
#ifndef SYS_clock_gettime64 /* one call serves: 64-bit machines, x32 */
#define NUMBER SYS_clock_gettime
#elif !defined(SYS_clock_gettime) /* musl, where long has 32 bits */
#define NUMBER SYS_clock_gettime64
#else
#define NUMBER (sizeof(time_t) > sizeof(long) ? SYS_clock_gettime64 : SYS_clock_gettime)
#endif

int clock_by_number(clockid_t clock, struct timespec *ts)
{
    return (int)raw_call(NUMBER, (long)clock, ts);
}
