#include "kernel/clock.h"

#include "kernel/raw.h"

clock_function *clock_source = clock_gettime;

int clock_by_number(clockid_t clock, struct timespec *ts)
{
    return (int)raw_call(SYS_clock_gettime, (long)clock, ts);
}
