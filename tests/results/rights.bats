# Messages that pass fds, or look like it: the program sees what it sees without the library, and
# a connection that is being passed on is shared from before the call.
load ../lib/helper

RIGHTS=$BUILD/tests/rights

@test "bad messages, and control data of any length, give what they give without the library" {
    "$RIGHTS" results >"$BATS_TEST_TMPDIR/without" 2>&1
    [[ $(wc -l <"$BATS_TEST_TMPDIR/without") -gt 300 ]]
    grep -q '^unix stream sendmsg with control data: 1' "$BATS_TEST_TMPDIR/without"
    grep -q '^tcp sendmsg, bad: -1 Bad address' "$BATS_TEST_TMPDIR/without"
    local policy
    for policy in off auto drain last-read; do
        NOTIMEWAIT_LOG=/dev/null run preload "$policy" "$RIGHTS" results
        echo "$policy: status $status"
        [[ $status -eq 0 ]]
        diff "$BATS_TEST_TMPDIR/without" <(echo "$output")
    done
}

@test "what no UNIX socket sends is not passed on, though the kernel takes it" {
    serve "$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG run preload abort "$RIGHTS" elsewhere "$PORT"
    echo "$output"
    cat "$LOG"
    [[ ${lines[0]} == 'tcp sendmsg: 1 ' && ${lines[1]} == 'udp sendmsg: 1 ' ]]
    [[ $(jq -r 'select(.via == "close").reason' "$LOG") == abort ]]
    run finish server
    [[ $output == *ECONNRESET* ]]
}

@test "a connection that another thread is passing on at this moment is not reset, nor lingers" {
    local policy
    for policy in abort delay:1 linger:2; do
        rm -f "$LOG"
        new_port
        serve "$PORT" accept readall write:1 close
        NOTIMEWAIT_LOG=$LOG run preload "$policy" "$RIGHTS" blocked "$PORT"
        echo "$policy: $output"
        cat "$LOG"
        [[ ${lines[0]} == 'passed write: 5 ' && ${lines[1]} == 'passed read: 1 ' ]]
        [[ $(json reason "$LOG") == shared ]]
        run finish server
        [[ $output == *'readall 5 EOF'* ]]
    done
}

@test "a thread that was cancelled in such a call changes nothing for other connections" {
    serve "$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG run preload abort "$RIGHTS" cancelled "$PORT"
    echo "$output"
    cat "$LOG"
    [[ $status -eq 0 && $(json action "$LOG") == rst ]]
    finish server || true
}
