# A close() that waits, and does not return: a handler leaves it by siglongjmp(), or the thread is
# cancelled. The thread is as it was, and the fd is closed rightly afterwards.
load ../lib/helper

# slow_server: takes what comes only once it is to end.
slow_server() {
    new_port
    rm -f "$LOG" "$BATS_TEST_TMPDIR/end"
    serve "$PORT" time-limit:60 accept "wait-file:$BATS_TEST_TMPDIR/end:50000" readall close
}

end_server() {
    touch "$BATS_TEST_TMPDIR/end"
    finish server || true
}

# jumps POLICY [WAY]: out of what closes; the thread, and the fd, are as they were.
jumps() {
    slow_server
    NOTIMEWAIT_LOG=$LOG run preload "$1" "$BUILD/tests/inside" jump "$PORT" "${@:2}"
    echo "$*: $output"
    cat "$LOG"
    [[ $output == $'cancellation enabled, no signal blocked, fd open\nclose 0' ]]
    [[ $(json '.via + " " + .policy' "$LOG") == "close $1" ]]
    end_server
}

@test "siglongjmp out of a close that waits leaves the thread, and the fd, as they were" {
    local policy
    for policy in drain:1200 drain-eof:1200 delay:1200; do jumps "$policy"; done
}

@test "the same out of fclose, dup2, close_range and SYS_close" {
    local way
    for way in fclose dup2 close_range number; do jumps drain:1200 $way; done
}

@test "siglongjmp out of a blocking close: the kernel has closed the fd" {
    slow_server
    run preload linger:3 "$BUILD/tests/inside" jump "$PORT"
    echo "$output"
    [[ $output == $'cancellation enabled, no signal blocked, fd closed\nclose -1' ]]
}

@test "cancelled in a close that waits: the fd is open, and what closes it is recorded" {
    local policy
    for policy in drain:1200 drain-eof:1200; do
        slow_server
        NOTIMEWAIT_LOG=$LOG run preload "$policy" "$BUILD/tests/inside" cancel "$PORT"
        echo "$policy: $output"
        cat "$LOG"
        [[ $output == $'cancelled\ncancellation enabled, no signal blocked, fd open\nclose 0' ]]
        [[ $(json '.via + " " + .policy' "$LOG") == "close $policy" ]]
        end_server
    done
}

# From glibc 2.41 on, close() has done its work then, and returns.
@test "cancelled in a blocking close: as one by the program's own linger; its record says closed" {
    local own
    slow_server
    own=$("$BUILD/tests/inside" cancel "$PORT" linger)
    end_server
    slow_server
    NOTIMEWAIT_LOG=$LOG run preload linger:3 "$BUILD/tests/inside" cancel "$PORT"
    echo "$output"
    cat "$LOG"
    [[ $output == "$own" && $output =~ ^(cancelled|returned)$'\n' ]]
    [[ $output == *$'\ncancellation enabled, no signal blocked, fd closed\nclose -1' ]]
    [[ $(json '.via + " " + .action' "$LOG") == 'close linger' ]]
}
