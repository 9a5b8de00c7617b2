#!/usr/bin/env bats
# Programs with a sanitizer's runtime of their own, linked statically: it begins after the library.

load ../lib/helper

# begins SANITIZER CC...: in whatever the library does at its start, and its connections are
# recorded. (What GCC links offers no __tsan_init() to begin by.)
begins() {
    local setting client=$BATS_TEST_TMPDIR/act
    "${@:2}" -fsanitize="$1" -D_GNU_SOURCE -std=gnu11 -w -pthread -o "$client" tests/tools/act.c 3>&-
    for setting in "NOTIMEWAIT_LOG=$LOG" NOTIMEWAIT_STATS=stderr NOTIMEWAIT_POLICY=bad \
        NOTIMEWAIT_POLICY=drain NOTIMEWAIT_RULES='peer=10.0.0.0/8 => off' NOTIMEWAIT_LOG=/none/x \
        NOTIMEWAIT_REAPER=/proc/1/mem:64:1; do
        new_port
        serve "$PORT" accept readall close
        run env "$setting" LD_PRELOAD="$LIB" setarch -R "$client" "connect:$PORT" write:5 close
        echo "$1, $setting: $status $output"
        [[ $status -eq 0 && $output == *'close 0'* ]]
        finish server
    done
    [[ $(json via "$LOG") == close ]]
    # A connection that it is started with is looked at, too.
    new_port
    serve "$PORT" accept readall close
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    run env NOTIMEWAIT_LOG="$LOG" LD_PRELOAD="$LIB" setarch -R "$client" say:begun <&$fd
    exec {fd}>&-
    echo "$1: $status $output"
    [[ $status -eq 0 && $output == *'say begun'* ]]
    finish server
}

@test "ThreadSanitizer" {
    begins thread clang
    rm "$LOG"
    begins thread gcc -static-libtsan
}

@test "AddressSanitizer" {
    begins address clang
    rm "$LOG"
    begins address gcc -static-libasan
}
