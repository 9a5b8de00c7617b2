#!/usr/bin/env bats
# Another clock than the kernel's beside the library, as libfaketime's: no wait goes by it.

load ../lib/helper
load ../lib/host
load ../lib/recycling

@test "a clock that stands still, or runs away, before or after us: waits are as long as they were" {
    compile clock.so <<-'C'
	#include "host.h"
	#include <time.h>
	int clock_gettime(clockid_t clock, struct timespec *ts)
	{
	    static time_t now = 1600000000;
	    (void)clock;
	    *ts = (struct timespec){.tv_sec = now += getenv("RUNS") ? 1000 : 0};
	    return 0;
	}
	C
    for order in "$LIB:$BATS_TEST_TMPDIR/clock.so" "$BATS_TEST_TMPDIR/clock.so:$LIB"; do
        for RUNS in '' 1; do
            [[ -z $RUNS ]] || export RUNS
            new_port
            serve "$PORT" accept readall close
            run beside "$order" delay:300 timeout 20 "$ACT" "connect:$PORT" write:100 close
            echo "$order, delay: $output $(jq .close_us "$LOG")"
            [[ $status -eq 0 && $(jq '.close_us >= 300000' "$LOG") == true ]]
            ports 10
            new_port
            serve "$PORT" quiet loop:30 accept readall close end
            run beside "$order" auto timeout 20 "$ACT" loop:30 "connect:$PORT" write:100 close end
            echo "$order, connect: $output"
            [[ $status -eq 0 && $(jq -r .recycled "$LOG" | sort | uniq -c | xargs) == '10 false 20 true' ]]
        done
        unset RUNS
    done
}

@test "where a filter refuses the call, the clock that goes by libc's name is good enough" {
    need python3
    local refuse=("$BUILD/tests/refuse" clock_gettime --)
    "${refuse[@]}" python3 -c 'import time; time.clock_gettime(1)' || skip 'libc makes that call itself'
    compile clock.so <<-'C'
	#include "host.h"
	#include <time.h>
	int clock_gettime(clockid_t clock, struct timespec *ts)
	{
	    int (*libcs)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
	    return libcs(clock, ts);
	}
	C
    serve "$PORT" accept readall close
    run beside "$LIB:$BATS_TEST_TMPDIR/clock.so" delay:300 timeout 20 "${refuse[@]}" \
        "$ACT" "connect:$PORT" write:100 close
    echo "$output $(jq .close_us "$LOG")"
    [[ $status -eq 0 && $(jq '.close_us >= 300000 and .close_us < 20000000' "$LOG") == true ]]
}
