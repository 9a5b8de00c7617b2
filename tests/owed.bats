#!/usr/bin/env bats
# NOTIMEWAIT_SHUTDOWN=owed: shutdown() and close() in a row end as the policy says; the peer gets
# its FIN whatever else the program does.
load helper
load each-policy

export NOTIMEWAIT_SHUTDOWN=owed

GAINS='auto fin-rst last-read drain:50 drain-eof:50 abort delay:20'

# exchanges N: a server of N requests, each answered, that reads to the end.
exchanges() {
    rm -f "$LOG"
    serve "$PORT" "loop:$1" accept readn:10 write:10 readall close end
}

# client STEP...: under $policy, logged.
client() {
    NOTIMEWAIT_LOG=$LOG preload "$policy" act "$@"
}

@test "shutdown() and close(): the connection is still established, and leaves no TIME_WAIT" {
    local paid
    pair() {
        exchanges 30
        # (Not: more than 10 ms between the two calls, on a slow machine.)
        client quiet loop:30 "connect:$PORT" write:10 readn:10 "shutdown:$how" close end
        paid=$(logged state | grep -vc '^ESTABLISHED$') || true # 0 is none
        [ "$paid" -le 10 ]
        settle "$PORT"
        [ "$(time_wait_client "$PORT")" -le "$paid" ]
    }
    for how in wr rdwr; do
        ONLY=$GAINS each_policy pair
    done
}

@test "the same by syscall(SYS_close)" {
    policy=auto
    exchanges 30
    client quiet loop:30 "connect:$PORT" write:10 readn:10 shutdown:wr close-number end
    [[ $(logged state | grep -c '^ESTABLISHED$') -ge 20 ]]
}

# An exchange after which shutdown() sends the FIN.
not_owed() {
    exchanges 1
    client "connect:$PORT" write:10 readn:10 shutdown:wr state close >"$BATS_TEST_TMPDIR/out"
    grep -Eq '^state (FIN_WAIT|CLOSE)' "$BATS_TEST_TMPDIR/out"
}

@test "now, the default: shutdown() sends the FIN" {
    NOTIMEWAIT_SHUTDOWN=now
    ONLY='off auto last-read' each_policy not_owed
}

@test "off, linger and reap owe nothing" {
    ONLY='off linger:2 reap' each_policy not_owed
}

# sent SERVER_STEPS STEP...: after the steps the FIN is sent at once.
sent() {
    PORT=$(port)
    # shellcheck disable=SC2086 # steps
    serve "$PORT" accept $1
    run preload auto act "connect:$PORT" "${@:2}" shutdown:wr state close
    echo "$output"
    [[ $output == *'state FIN_WAIT'* || $output == *'state LAST_ACK'* || $output == *'state CLOSE'* ]]
}

@test "nothing is owed but by a client, its own, which read last, with nothing unread or unacked" {
    sent 'readall close' write:10
    sent 'readn:10 write:10 readall close' write:10 readn:10 write:10
    sent 'readn:10 write:10 readall close' write:10 wait-unread:10
    sent 'readn:10 write:20 readall close' write:10 wait-unread:20 readn:10
    sent 'readn:10 write:10 readall close' write:10 readn:10 dup:x
    sent 'readn:10 write:10 readall close' write:10 readn:10 fork exit end wait
    sent 'readn:10 write:10 readall close' linger:1:2 write:10 readn:10
    # (A server.)
    serve_preload auto "$PORT" accept readn:10 write:1 wait-acked readn:1 shutdown:wr state close
    act "connect:$PORT" write:10 readn:1 write:1 readall close
    run finish server
    [[ $output == *'state FIN_WAIT'* || $output == *'state CLOSE'* ]]
}

# pays STEP...: after shutdown() the peer reads the end while the client is in these steps, in
# which $go is what the peer does then.
pays() {
    PORT=$(port)
    go=$BATS_TEST_TMPDIR/go
    rm -f "$go"
    serve "$PORT" accept readn:10 write:10 readall "sync:$go" close
    run preload auto act "connect:$PORT" write:10 readn:10 shutdown:wr "${@//GO/$go}"
    echo "$output"
    [[ $output != *timeout* && $output != *late* && $status -eq 0 ]]
    [[ -e $go ]]
    run finish server
    [[ $output == *'readall 0 EOF'* ]]
}

@test "waiting for the peer's end: read, poll, select, epoll" {
    pays readall close
    pays poll:in:20000 close
    pays select:20000 close
    pays epoll:in:20000 close
}

@test "sleeping, and computing, until the peer has seen the end" {
    pays wait-file:GO:20000 close
    pays compute:GO close
}

@test "the FIN is 10 ms late: far from a second, by the median of 9" {
    local times=() i begun
    for i in {1..9}; do
        PORT=$(port)
        serve "$PORT" accept readn:10 write:10 readall "sync:$BATS_TEST_TMPDIR/end.$i" close
        begun=${EPOCHREALTIME/./}
        preload auto act quiet "connect:$PORT" write:10 readn:10 shutdown:wr \
            "compute:$BATS_TEST_TMPDIR/end.$i" close
        times+=($((${EPOCHREALTIME/./} - begun)))
    done
    mapfile -t times < <(printf '%s\n' "${times[@]}" | sort -n)
    echo "us, start and exchange included: ${times[*]}"
    [[ ${times[4]} -lt 1000000 ]]
}

@test "a mutex that another thread gives up when the peer has seen the end" {
    local locked=$BATS_TEST_TMPDIR/locked
    PORT=$(port)
    serve "$PORT" accept readn:10 write:10 readall "sync:$BATS_TEST_TMPDIR/go" close
    run preload auto act "connect:$PORT" write:10 readn:10 \
        thread lock "sync:$locked" "wait-file:$BATS_TEST_TMPDIR/go:20000" unlock end \
        "wait-file:$locked" shutdown:wr lock unlock join close
    echo "$output"
    [[ $status -eq 0 && $output != *late* && -e $BATS_TEST_TMPDIR/go ]]
}

@test "a read in another thread, which began before the shutdown" {
    serve "$PORT" accept readn:10 write:10 readall close
    run preload auto act "connect:$PORT" write:10 readn:10 thread readall end sleep:50 \
        shutdown:wr join close
    echo "$output"
    [[ $status -eq 0 && $output == *'thread readall 0 EOF'* ]]
}

@test "fork() and exec(): the other process has a socket that is shut down" {
    pays fork wait-file:GO:20000 _exit end wait close
    pays fork:_Fork wait-file:GO:20000 _exit end wait close
    # shellcheck disable=SC2016 # the shell's own variables
    pays inherit exec:/bin/sh -c 'n=0; until [ -e GO ] || [ $n = 2000 ]; do sleep 0.01; n=$((n+1)); done'
    pays inherit "system:until [ -e GO ]; do sleep 0.01; done" close
    pays inherit "spawn:until [ -e GO ]; do sleep 0.01; done" wait close
}

@test "what follows sees a shut down socket: EPIPE, ENOTCONN, EOF" {
    serve "$PORT" accept readn:10 write:10 readall close
    run preload auto act "connect:$PORT" write:10 readn:10 shutdown:wr write:5 close
    echo "$output"
    [[ $output == *'write -1 EPIPE'* ]]
    PORT=$(port)
    serve "$PORT" accept readn:10 write:10 readall close
    run preload auto act "connect:$PORT" write:10 readn:10 shutdown:rdwr read:5 close
    echo "$output"
    [[ $output == *'read 0'* ]]
}

@test "an option that is asked for sees a shut down socket" {
    policy=auto
    exchanges 1
    client "connect:$PORT" write:10 readn:10 shutdown:wr getlinger2 state close >"$BATS_TEST_TMPDIR/out"
    grep -Eq '^state (FIN_WAIT|CLOSE)' "$BATS_TEST_TMPDIR/out"
}

@test "an end without a close: exit, SIGKILL, a raw system call" {
    local end
    for end in exit _exit kill:KILL close-raw; do
        PORT=$(port)
        serve "$PORT" accept readn:10 write:10 readall close
        run preload auto act quiet "connect:$PORT" write:10 readn:10 shutdown:wr "$end"
        run finish server
        echo "$end: $output"
        [[ $output == *'readall 0 EOF'* ]]
    done
}

@test "another socket on the fd is not shut down for one that was closed unseen" {
    serve "$PORT" accept readn:10 write:10 readall close accept readn:10 write:10 readall close
    run preload auto act "connect:$PORT" write:10 readn:10 quiet shutdown:wr close-raw loud \
        "connect:$PORT" sleep:50 write:10 readn:10 close
    echo "$output"
    [[ $output == *'write 10'*'write 10'*'readn 10'* ]]
}

# threads MODE: tests/tools/debts, whose threads get in each other's way.
threads() {
    local connections=1
    [[ $1 != reuse ]] || connections=2
    PORT=$(port)
    serve "$PORT" "loop:$connections" accept readn:1 write:1 readall close end
    run preload auto timeout 40 "$BUILD/tests/debts" "$1" "$PORT"
    echo "$1: $output"
    [[ $status -eq 0 && $output == *end ]]
}

# The server's first connection has read the end, while the client may still have one.
the_end_was_read() {
    wait_output server '^listen'
    [[ -z $(ss -Htan state established state close-wait "sport = :$PORT") ]]
}

@test "a close() while another thread waits on the fd wakes it, and sends the FIN" {
    local mode
    for mode in reader poller selector; do
        threads "$mode"
        [[ $output == *'shutdown 0'*'close 0'* ]]
        the_end_was_read
    done
}

@test "a copy made by another thread, and a close() that is cancelled: the FIN is sent" {
    threads dup
    [[ $output == *'dup made'* ]]
    the_end_was_read
    threads cancel
    [[ $output == *cancelled* && $output != *'not cancelled'* ]]
    the_end_was_read
}

@test "a connection that another thread makes on the same fd meanwhile is not shut down" {
    threads reuse
    [[ $output == *'same fd'*'write 1'* ]]
}

@test "a process whose last thread ends, ends" {
    threads last-thread
}

@test "no thread without a FIN that is owed, one with" {
    exchanges 2
    run preload auto act "connect:$PORT" write:10 readn:10 close "system:ls /proc/\$PPID/task | wc -l" \
        "connect:$PORT" write:10 readn:10 shutdown:wr close "system:ls /proc/\$PPID/task | wc -l"
    echo "$output"
    [[ $(grep -Ec '^[12]$' <<<"$output") -eq 2 ]]
    [[ $(grep -E '^[12]$' <<<"$output" | tr '\n' ' ') == '1 2 ' ]]
}
