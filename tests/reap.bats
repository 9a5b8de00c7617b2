#!/usr/bin/env bats
# TIME_WAIT entries that close cannot prevent are removed, where permitted: NOTIMEWAIT_REAP and
# the policy reap.
load helper
load each-policy

export NOTIMEWAIT_REAP=auto

# Those whose entries are removed, and those that keep theirs.
REAPS='auto fin-rst drain:50 drain-eof:50 abort delay:20 reap'
KEEPS='off last-read linger:2'

# without CMD...: runs it without CAP_NET_ADMIN.
without() {
    setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$@"
}

# half_closed [ADDR]: a client half-closes and reads the peer's EOF: TIME_WAIT while the fd is
# open (fact 4). It closes, and stays for a moment.
half_closed() {
    local done=$BATS_TEST_TMPDIR/done.$PORT addr=${1-}
    rm -f "$LOG"
    serve "$addr$PORT" accept readall close
    start client env NOTIMEWAIT_LOG="$LOG" LD_PRELOAD="$LIB" NOTIMEWAIT_POLICY="$policy" "$ACT" \
        "connect:${2-$addr}$PORT" write:10 shutdown:wr wait-state:CLOSE close "wait-file:$done"
    wait_output client '^close 0'
    time_wait_client "$PORT" >"$BATS_TEST_TMPDIR/left"
    touch "$done"
    finish client
    [[ $(finish server) == *'readall 10 EOF'* ]]
}

left() {
    cat "$BATS_TEST_TMPDIR/left"
}

@test "half-closed, then the peer's EOF: removed at close, and said so" {
    removed() {
        half_closed
        [ "$(left) $(logged reaped)" = '0 true' ]
    }
    ONLY=$REAPS each_policy removed
}

@test "off, last-read and linger keep theirs, and so does everybody under NOTIMEWAIT_REAP=off" {
    kept() {
        half_closed
        [ "$(left) $(logged reaped)" = '1 false' ]
    }
    ONLY=$KEEPS each_policy kept
    NOTIMEWAIT_REAP=off
    ONLY=$REAPS each_policy kept
}

@test "IPv6, and IPv4 through an IPv6 socket" {
    policy=auto
    half_closed '[::1]:'
    [[ "$(left) $(logged reaped)" == '0 true' ]]
    PORT=$(port)
    half_closed '' '[::ffff:127.0.0.1]:'
    [[ "$(left) $(logged reaped)" == '0 true' ]]
}

@test "without CAP_NET_ADMIN they stay: auto is silent, on says so once" {
    local want mode
    for mode in auto on; do
        PORT=$(port)
        serve "$PORT" loop:2 accept readall close end
        NOTIMEWAIT_REAP=$mode run without env LD_PRELOAD="$LIB" "$ACT" loop:2:loud \
            "connect:$PORT" write:10 shutdown:wr wait-state:CLOSE close end
        echo "$output"
        [[ $status -eq 0 ]]
        want=0
        [[ $mode == auto ]] || want=1
        [[ $(grep -c "^libnotimewait: NOTIMEWAIT_REAP: 'on', but TIME_WAIT entries cannot be removed: " <<<"$output") -eq $want ]]
        [[ $(grep -c libnotimewait <<<"$output") -eq $want ]]
        finish server
        [[ $(time_wait_client "$PORT") -eq 2 ]]
    done
}

@test "CAP_NET_ADMIN, but not over this network namespace: tried once, then left" {
    serve "$PORT" loop:3 accept readall close end
    NOTIMEWAIT_REAP=on run unshare -Ur env LD_PRELOAD="$LIB" strace -qq -f -e trace=socket \
        "$ACT" loop:3 "connect:$PORT" write:10 shutdown:wr wait-state:CLOSE close end
    echo "$output"
    [[ $status -eq 0 && $(grep -c "act: \|cannot be removed" <<<"$output") -eq 1 ]]
    [[ $(grep -c AF_NETLINK <<<"$output") -eq 1 ]]
    finish server
    [[ $(time_wait_client "$PORT") -eq 3 ]]
}

@test "the policy reap: a plain close for the peer, and nothing is left, by any way to end" {
    local how
    for how in 'close exit' 'close _exit' 'close quick_exit' 'close daemon' close 'fdopen fprintf:10 fclose' \
        'close_range:fd:fd' 'open:/dev/null@y dup2:a@y' 'thread close end join'; do
        echo "$how:"
        PORT=$(port)
        rm -f "$LOG"
        serve "$PORT" accept readn:10 write:10 readall close
        # shellcheck disable=SC2086 # steps
        NOTIMEWAIT_LOG=$LOG preload reap act "connect:$PORT" write:10 readn:10 $how
        run finish server
        [[ $output == *'readall '*' EOF'* ]]
        [[ $(logged action reason) == 'none reap' ]]
        settle "$PORT"
        [[ $(time_wait_client "$PORT") -eq 0 ]]
    done
}

@test "the policy reap where the peer closed first: nothing to remove" {
    serve "$PORT" accept readn:10 close
    NOTIMEWAIT_LOG=$LOG preload reap act "connect:$PORT" write:10 readall close
    finish server
    [[ $(logged action reason) == 'none passive-close' ]]
}

@test "the policy reap has more connections than there are ports; statistics count them" {
    echo '40000 40019' >/proc/sys/net/ipv4/ip_local_port_range
    serve "$PORT" loop:200 accept readn:10 write:10 readall close end
    NOTIMEWAIT_STATS=$LOG run preload reap act loop:200 "connect:$PORT" write:10 readn:10 close end
    echo '32768 60999' >/proc/sys/net/ipv4/ip_local_port_range
    echo "$output"
    [[ $output == 'loop 200 errors=0'* ]]
    finish server
    [[ $(time_wait_client "$PORT") -eq 0 ]]
    [[ $(jq .reaped "$LOG") -eq 200 && $(jq '.policies[0].time_wait_left' "$LOG") -eq 200 ]]
}

@test "no port is left, and the entries come later: connect() is tried again until there are" {
    # The peer closes 200 ms after us: at the first EADDRNOTAVAIL there is nothing to remove yet.
    # The server ends when 12 connections have come, through four ports.
    echo '40000 40003' >/proc/sys/net/ipv4/ip_local_port_range
    serve "$PORT" loop:12 accept fork readn:10 write:10 readall sleep:200 close exit end close end
    run preload reap act loop:100 "connect:$PORT" write:10 readn:10 close sleep:30 end
    echo '32768 60999' >/proc/sys/net/ipv4/ip_local_port_range
    echo "$output"
    finish server
}

@test "no fd is left for a moment: later entries are removed all the same" {
    serve "$PORT" accept readall close
    # (With fds up to 3, the connection has the last; it is free again at exit.)
    # shellcheck disable=SC2016 # bash's own variables
    NOTIMEWAIT_REAP=on NOTIMEWAIT_LOG=$LOG run bash -c 'ulimit -n 4; LD_PRELOAD=$LIB exec "$ACT" \
        "connect:$0" write:10 shutdown:wr wait-state:CLOSE close' "$PORT" 3>&- 4>&-
    echo "$output"
    [[ $status -eq 0 && $output != *libnotimewait* ]]
    finish server
    [[ $(time_wait_client "$PORT") -eq 0 ]]
}

@test "a later connection of the same addresses is never touched" {
    local held=$BATS_TEST_TMPDIR/held go=$BATS_TEST_TMPDIR/go
    serve "$PORT" accept readall close accept readn:5 "wait-file:$held" write:5 readall close
    start first env LD_PRELOAD="$LIB" NOTIMEWAIT_POLICY=auto "$ACT" bind:127.0.0.1:45678 \
        "connect:$PORT" write:10 shutdown:wr wait-state:CLOSE say:waiting "wait-file:$go:20000" \
        close sockname
    wait_output first '^say waiting'
    [[ $(time_wait_client "$PORT") -eq 1 ]]
    # The entry is removed behind its back, and another process has the same addresses.
    ss -K state time-wait "dport = :$PORT"
    start second act bind:127.0.0.1:45678 "connect:$PORT" write:5 "sync:$held.2" readn:5 close
    until_true 5000 test -e "$held.2"
    touch "$go"
    finish first
    touch "$held"
    run finish second
    echo "$output"
    [[ $output == *'readn 5'* ]]
    run finish server
    [[ $output == *'readall 0 EOF'* ]]
}

@test "entries of other processes stay, those of forked children go" {
    serve "$PORT" loop:3 accept readall close end
    act "connect:$PORT" write:10 shutdown:wr wait-state:CLOSE close
    preload auto act "connect:$PORT" write:10 shutdown:wr fork "connect:$PORT@x" write:10@x \
        shutdown:wr@x wait-state:CLOSE@x close@x exit end wait wait-state:CLOSE close
    finish server
    [[ $(time_wait_client "$PORT") -eq 1 ]]
}

@test "an application that sets a linger itself keeps its entry" {
    serve "$PORT" accept readall close
    preload auto act "connect:$PORT" linger:1:2 write:10 shutdown:wr wait-state:CLOSE close
    finish server
    [[ $(time_wait_client "$PORT") -eq 1 ]]
}

@test "closed by a raw system call: found by a later pass; killed: it stays" {
    serve "$PORT" loop:2 accept readall close end
    preload auto act "connect:$PORT" write:10 shutdown:wr wait-state:CLOSE close-raw
    [[ $(time_wait_client "$PORT") -eq 0 ]]
    run preload auto act "connect:$PORT" write:10 shutdown:wr wait-state:CLOSE kill:KILL
    finish server
    [[ $(time_wait_client "$PORT") -eq 1 ]]
}
