# What two threads do to one connection at the same moment: it is told of once, and a lever is
# pulled only where nothing keeps the close from coming at once.
load ../lib/helper
load ../lib/each-policy

# delayed CALL... -- CMD...: under strace, with the library; each of the calls begins or ends later
# by a moment, so that other threads' calls come in between: NAME:delay_enter=US, NAME:delay_exit=US.
delayed() {
    local calls=trace= inject=()
    while [[ $1 != -- ]]; do
        calls+=${1%%:*},
        inject+=(-e "inject=$1")
        shift
    done
    run strace -f -o /dev/null -E LD_PRELOAD="$LIB" -E NOTIMEWAIT_POLICY="$policy" -E NOTIMEWAIT_LOG="$LOG" \
        -e "${calls%,}" "${inject[@]}" "${@:2}"
    echo "$policy: $output"
}

@test "fclose() of a stream that another thread has: no lever" {
    stream_in_use() {
        rm -f "$LOG"
        serve "$PORT" accept wait-state:CLOSE_WAIT readall close
        NOTIMEWAIT_LOG=$LOG run preload "$policy" "$BUILD/tests/stream" "$PORT"
        echo "$output"
        [[ $output == 'fclose 0' ]]
        logged action reason
        [[ $(logged action reason) == 'none stdio-output' ]]
        finish server | grep -x 'readall 0 EOF'
    }
    ONLY='abort delay:1 drain:50' each_policy stream_in_use
}

# disconnected CALL...: two threads do so, both in the middle of it; the calls are delayed, too.
disconnected() {
    rm -f "$LOG"
    PORT=$(port)
    serve "$PORT" accept readall close
    delayed getsockopt:delay_exit=50000 "$@" -- \
        "$ACT" "connect:$PORT" quiet thread connect-unspec end connect-unspec join close
    logged via reason
    [[ $(logged via reason) == 'disconnect disconnect' ]]
}

@test "two threads disconnect a connection: one record" {
    need strace
    local policy=auto
    # The first has told of it before the other one is back, whose first connect() this is;
    disconnected connect:delay_exit=100000:when=1
    # or is still about it.
    disconnected connect:delay_exit=100000 write:delay_enter=100000
}

@test "messages of other threads, which the kernel refuses or which have no fd, pass nothing on" {
    need strace
    local policy=abort
    serve "$PORT" accept readall close
    delayed sendmsg:delay_enter=400000 -- "$BUILD/tests/rights" refused "$PORT"
    [[ $(grep -c '^refused sendmsg: -1 ' <<<"$output") -eq 4 ]]
    logged action reason
    [[ $(logged action reason) == 'rst abort' ]]
}
