#!/usr/bin/env bats
# `notimewait --reap` and the policy reap: the launcher removes TIME_WAIT entries, from outside.
load ../lib/helper
load ../lib/each-policy

# without CMD...: runs it without CAP_NET_ADMIN.
without() {
    setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$@"
}

# gone PORT: no TIME_WAIT entry of a client is left.
gone() {
    [[ $(time_wait_client "$1") -eq 0 ]]
}

# half_closed [ADDR [ADDR]]: under --reap, a client half-closes and reads the peer's EOF: TIME_WAIT
# while the fd is open (fact 4). It closes, and stays until that is gone, or for a second.
half_closed() {
    local stay=$BATS_TEST_TMPDIR/stay.$PORT addr=${1-}
    serve "$addr$PORT" accept readall close
    start client "$BUILD/notimewait" -p "$policy" --log "$LOG" --reap -- "$ACT" "connect:${2-$addr}$PORT" \
        write:10 shutdown:wr wait-state:CLOSE close "wait-file:$stay:20000"
    wait_output client '^close 0'
    until_true "${patience-10000}" gone "$PORT" || true
    time_wait_client "$PORT" >"$BATS_TEST_TMPDIR/left"
    touch "$stay"
    finish client
    [[ $(finish server) == *'readall 10 EOF'* ]]
}

left() {
    cat "$BATS_TEST_TMPDIR/left"
}

@test "under --reap, half-closed, then the peer's EOF: removed while the program runs" {
    removed() {
        half_closed
        [ "$(left)" = 0 ]
    }
    ONLY='auto fin-rst last-read drain:50 linger:2 reap' each_policy removed
}

@test "off keeps its entry under --reap" {
    policy=off patience=1500 half_closed
    [[ $(left) -eq 1 ]]
}

@test "IPv6, and IPv4 through an IPv6 socket" {
    policy=auto
    half_closed '[::1]:'
    [[ $(left) -eq 0 ]]
    new_port
    half_closed '' '[::ffff:127.0.0.1]:'
    [[ $(left) -eq 0 ]]
}

@test "the policy reap without --reap: one line, and it acts as auto" {
    serve "$PORT" accept readn:10 write:10 readall close
    run preload reap act "connect:$PORT" write:10 readn:10 getlinger2 close
    echo "$output"
    [[ $status -eq 0 && $(grep -c libnotimewait <<<"$output") -eq 1 ]]
    [[ ${lines[0]} == *"NOTIMEWAIT_POLICY: 'reap' needs notimewait --reap; it acts as auto, and TIME_WAIT entries stay" ]]
    [[ $output == *"getlinger2 $UNSET_LINGER2"* ]]
    [[ $(finish server) == *'readall 0 EOF'* ]]
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 1 ]]
    # Any other policy says nothing.
    run preload auto /bin/true
    [[ -z $output ]]
}

@test "the policy reap: a plain close for the peer, and nothing is left, by any way to end" {
    local how
    for how in 'close exit' 'close _exit' 'close quick_exit' 'close daemon' close 'fdopen fprintf:10 fclose' \
        'close_range:fd:fd' 'open:/dev/null@y dup2:a@y' 'thread close end join' close-raw kill:KILL; do
        echo "$how:"
        new_port
        rm -f "$LOG"
        serve "$PORT" accept readn:10 write:10 readall close
        # shellcheck disable=SC2086 # steps
        run "$BUILD/notimewait" -p reap --log "$LOG" --reap -- "$ACT" "connect:$PORT" write:10 readn:10 $how
        run finish server
        [[ $output == *'readall '*' EOF'* ]]
        [[ $how == *raw || $how == kill* || $(logged action reason) == 'none reap' ]]
        settle "$PORT"
        gone "$PORT"
    done
}

@test "the policy reap where the peer closed first: nothing to remove" {
    serve "$PORT" accept readn:10 close
    NOTIMEWAIT_LOG=$LOG preload reap act "connect:$PORT" write:10 readall close
    finish server
    [[ $(logged action reason) == 'none passive-close' ]]
}

@test "removal comes soon, again and again: 60 connections through 20 ports" {
    echo '40000 40019' >/proc/sys/net/ipv4/ip_local_port_range
    serve "$PORT" loop:60 accept readn:10 write:10 readall close end
    # (No recycling: the ports come again because the entries are gone.)
    NOTIMEWAIT_RECYCLE=off run "$BUILD/notimewait" -p reap --reap -- "$ACT" \
        loop:3 loop:20 "connect:$PORT" write:10 readn:10 close end sleep:3000 end
    echo '32768 60999' >/proc/sys/net/ipv4/ip_local_port_range
    echo "$output"
    [[ $status -eq 0 && $output == 'loop 3 errors=0'* ]]
    finish server
    gone "$PORT"
}

@test "a later connection of the same addresses is never touched" {
    local held=$BATS_TEST_TMPDIR/held stay=$BATS_TEST_TMPDIR/stay
    serve "$PORT" accept readall close accept readn:5 "wait-file:$held" write:5 readall close
    start first "$BUILD/notimewait" --reap -- "$ACT" bind:127.0.0.1:45678 "connect:$PORT" write:10 \
        shutdown:wr wait-state:CLOSE close say:closed "wait-file:$stay:20000"
    wait_output first '^say closed'
    until_true 10000 gone "$PORT"
    # Another process has the same addresses, and the reaper makes more passes.
    start second act bind:127.0.0.1:45678 "connect:$PORT" write:5 "sync:$held.2" readn:5 close
    until_true 5000 test -e "$held.2"
    sleep 0.5
    touch "$held"
    run finish second
    echo "$output"
    [[ $output == *'readn 5'* ]]
    run finish server
    [[ $output == *'readall 0 EOF'* ]]
    touch "$stay"
    finish first
}

@test "entries of other processes stay, those of forked children go" {
    serve "$PORT" loop:3 accept readall close end
    act "connect:$PORT" write:10 shutdown:wr wait-state:CLOSE close
    "$BUILD/notimewait" --reap -- "$ACT" "connect:$PORT" write:10 shutdown:wr fork "connect:$PORT@x" write:10@x \
        shutdown:wr@x wait-state:CLOSE@x close@x exit end wait wait-state:CLOSE close
    finish server
    [[ $(time_wait_client "$PORT") -eq 1 ]]
}

@test "a positive linger of the application's own changes no removal" {
    local steps
    for steps in close 'shutdown:wr wait-state:CLOSE close' exit; do
        for policy in auto fin-rst last-read reap; do
            echo "$policy: $steps"
            new_port
            serve "$PORT" accept readall close
            # shellcheck disable=SC2086 # steps
            "$BUILD/notimewait" -p "$policy" --reap -- "$ACT" "connect:$PORT" linger:1:5 write:10 $steps
            [[ $(finish server) == *'readall 10 EOF'* ]]
            settle "$PORT"
            gone "$PORT"
        done
    done
}

@test "where the application's linger is zero, its reset leaves nothing to remove" {
    serve "$PORT" accept readall close
    "$BUILD/notimewait" --log "$LOG" --reap -- "$ACT" "connect:$PORT" linger:1:0 write:10 wait-acked close
    [[ $(finish server) == *'readall 10 ECONNRESET'* && $(logged action reason) == 'none app-linger' ]]
    gone "$PORT"
}
