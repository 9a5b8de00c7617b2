#include "kernel/clock.h"

#include "kernel/raw.h"

#include <stdbool.h>

clock_function *clock_source = clock_gettime;

#ifndef SYS_clock_gettime64 /* one call serves: 64-bit machines, x32 */
#define SYS_clock_gettime64 SYS_clock_gettime
#endif
#ifndef SYS_clock_gettime /* musl, where long has 32 bits */
#define SYS_clock_gettime SYS_clock_gettime64
#endif

int clock_by_number(clockid_t clock, struct timespec *ts)
{
    bool larger = sizeof(ts->tv_sec) > sizeof(long);
    return (int)raw_call(larger ? SYS_clock_gettime64 : SYS_clock_gettime, (long)clock, ts);
}
