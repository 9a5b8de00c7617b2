#!/usr/bin/env bats
# Programs with a sanitizer's runtime of their own, linked statically: it begins after the library.

load ../lib/helper

# begins SANITIZER: in whatever the library does at its start, and its connections are recorded.
begins() {
    local setting client=$BATS_TEST_TMPDIR/act
    clang -fsanitize="$1" -D_GNU_SOURCE -std=gnu11 -w -pthread -o "$client" tests/tools/act.c 3>&-
    for setting in "NOTIMEWAIT_LOG=$LOG" NOTIMEWAIT_STATS=stderr NOTIMEWAIT_POLICY=bad \
        NOTIMEWAIT_POLICY=drain NOTIMEWAIT_RULES='peer=10.0.0.0/8 => off' NOTIMEWAIT_LOG=/none/x; do
        PORT=$(port)
        serve "$PORT" accept readall close
        run env "$setting" LD_PRELOAD="$LIB" setarch -R "$client" "connect:$PORT" write:5 close
        echo "$1, $setting: $status $output"
        [[ $status -eq 0 && $output == *'close 0'* ]]
        finish server
    done
    [[ $(json via "$LOG") == close ]]
}

@test "ThreadSanitizer" {
    begins thread
}

@test "AddressSanitizer" {
    begins address
}
