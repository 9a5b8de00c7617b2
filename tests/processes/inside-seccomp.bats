# A program that installs a seccomp filter: from then on no system call but its own.
load ../lib/helper
load ../lib/each-policy
load ../lib/board
load ../lib/clock
load ../lib/builds

INSIDE=$BUILD/tests/inside
WAYS=(prctl syscall bare) # to install a filter

# shellcheck disable=SC2154 # $policy is of each_policy
sealed() {
    local variables=(NOTIMEWAIT_LOG="$LOG" NOTIMEWAIT_STATS="$LOG.stats" "$@")
    for way in "${WAYS[@]}"; do
        new_port
        serve "$PORT" time-limit:30 loop:4 accept end
        run env "${variables[@]}" LD_PRELOAD="$LIB" NOTIMEWAIT_POLICY="$policy" \
            "$INSIDE" sealed "$PORT" "$way"
        echo "$policy, $way: $status $output"
        [[ $status -eq 0 && ${lines[-1]} == alive ]]
        kill "$(pid_of server)" || true
    done
}

# zygote WAY...: in a child that is made so, in its other threads, and in a child of its own.
# shellcheck disable=SC2154 # $policy is of each_policy
zygote() {
    local way
    serve "$PORT" time-limit:30 loop:6 accept readall close end
    for way; do
        NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_STATS=$LOG.stats run preload "$policy" \
            "$BUILD/tests/inside" zygote "$PORT" "$way"
        echo "$policy, $way: $status $output"
        [[ $status -eq 0 && ${lines[-1]} == 'child 0' ]]
    done
    finish server >/dev/null
}

@test "a filter that kills at any other call lets the program live, under every policy" {
    each_policy sealed
    each_policy sealed NOTIMEWAIT_RULES='peer=10.0.0.0/8 => off; role=client, port=1-9 => abort'
    ONLY=auto each_policy sealed NOTIMEWAIT_LINGER=override
}

@test "the board counts on in memory, also by slots" {
    each_policy sealed NOTIMEWAIT_BOARD="$BOARD"
    ONLY=auto each_policy sealed NOTIMEWAIT_BOARD="$BOARD" NOTIMEWAIT_SPLIT=slot:10
    board_cells
    # Of each three runs: three connections, of which one is copied and does not end.
    [[ $(board_cells | grep -c ' connections=9 closes=6 ') -eq 9 ]]
    board_cells | grep -q '^inside auto 0 connections=18 closes=12 '
}

@test "the same where ports are scarce" {
    local before
    before=$(</proc/sys/net/ipv4/ip_local_port_range)
    echo '40000 40011' >/proc/sys/net/ipv4/ip_local_port_range
    new_port
    serve "$PORT" time-limit:30 loop:40 accept readall close end
    preload auto act "loop:8" "connect:$PORT" write:1 close end
    ONLY=auto each_policy sealed
    echo "$before" >/proc/sys/net/ipv4/ip_local_port_range
}

@test "the same in 32-bit programs, with a time_t of 32 and of 64 bits" {
    local bits dir programs
    WAYS=(prctl syscall)
    for bits in 32 64; do
        programs32 $bits inside
        LIB=$dir/libnotimewait.so INSIDE=$programs/inside ONLY='off auto fin-rst abort' each_policy sealed
    done
}

@test "a probe for seccomp that fails changes nothing" {
    serve "$PORT" time-limit:30 loop:4 accept end
    NOTIMEWAIT_LOG=$LOG run preload abort "$BUILD/tests/inside" sealed "$PORT" probe
    cat "$LOG"
    [[ $status -eq 0 && $output == alive && $(json action "$LOG") == $'rst\nrst\nnone' ]]
}

@test "the same in a child that clone() makes, as Chromium's are, and in its other threads" {
    each_policy zygote clone number
}

@test "the same where the kernel tells no time without a system call" {
    clock_at 0
    LIB=$LIB:$BATS_FILE_TMPDIR/clock.so ONLY='auto abort' each_policy zygote clone number
}

@test "a filter for all threads, while one waits in a close: that is counted, and plain" {
    local way
    # shellcheck disable=SC2154 # $policy is of each_policy
    meanwhile() {
        rm -rf "$BOARD" "$LOG"
        serve "$PORT" rcvbuf:4096 time-limit:20 accept sleep:2000 readall close
        NOTIMEWAIT_BOARD=$BOARD NOTIMEWAIT_LOG=$LOG run preload "$policy" \
            "$BUILD/tests/inside" meanwhile "$PORT" "$way"
        echo "$policy, $way: $status $output"
        [[ $status -eq 0 && $output == alive && ! -e $LOG ]]
        board_cells | grep -q " connections=1 closes=1 "
        finish server | grep -E '^readall [0-9]+ EOF$'
    }
    for way in close close_range; do
        ONLY='drain:1500 drain-eof:1500 delay:1500' each_policy meanwhile
    done
    clock_at 0 # to tell the time is a system call
    way=close LIB=$LIB:$BATS_FILE_TMPDIR/clock.so ONLY=linger:3 each_policy meanwhile
}
