# shellcheck shell=bash
# Processes whose wall clock stands still: `load clock`, after board.

# The clock of a process, in seconds since 1970: SLOT_CLOCK, by a preload that the test makes.
clock_at() {
    [[ -e $BATS_FILE_TMPDIR/clock.so ]] || gcc -shared -fPIC -O1 -o "$BATS_FILE_TMPDIR/clock.so" -xc - <<'END'
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *ts)
{
    if (id != CLOCK_REALTIME_COARSE)
        return syscall(SYS_clock_gettime, id, ts);
    ts->tv_sec = atoll(getenv("SLOT_CLOCK"));
    ts->tv_nsec = 0;
    return 0;
}
END
    SLOT_CLOCK=$1
    export SLOT_CLOCK
}

# at SECONDS POLICY CMD...: runs it with the board, its clock standing at that time.
at() {
    clock_at "$1"
    LIB=$LIB:$BATS_FILE_TMPDIR/clock.so boarded "${@:2}"
}
