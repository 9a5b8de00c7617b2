#!/usr/bin/env bats
# What counts when the application sets a linger itself: NOTIMEWAIT_LINGER=respect leaves its
# connection alone, override lets the policy decide.

load ../lib/helper
load ../lib/each-policy

share_cpu

# shellcheck disable=SC2034 # for each_policy
ONLY=${ALL[*]:1} # but off
GO=$BATS_TEST_TMPDIR/go

# client MODE POLICY STEP...: the steps, to a server that reads everything; what the client
# printed is $output, what the server printed is in $BATS_TEST_TMPDIR/server.
client() {
    rm -f "$LOG"
    serve "$PORT" accept readall close
    output=$(NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_LINGER=$1 preload "$2" act "${@:3}")
    finish server >"$BATS_TEST_TMPDIR/server"
    settle "$PORT"
}

# server MODE POLICY STEP...: the steps, the first of which make the listener; a plain client
# reads everything and closes.
server() {
    rm -f "$LOG"
    start server env NOTIMEWAIT_LOG="$LOG" NOTIMEWAIT_LINGER="$1" LD_PRELOAD="$LIB" \
        NOTIMEWAIT_POLICY="$2" "$ACT" "${@:3}"
    wait_output server '^listen '
    act "connect:$PORT" readall close >"$BATS_TEST_TMPDIR/client"
    output=$(finish server)
    settle "$PORT"
}

# peer_read SIDE TEXT: the other side read that.
peer_read() {
    grep -Fx "readall $2" "$BATS_TEST_TMPDIR/$1" && return
    cat "$BATS_TEST_TMPDIR/$1"
    return 1
}

# as_plain STEP...: the steps, in which PORT is the port, print what they do without the library.
as_plain() {
    local plain
    serve "$PORT" accept readall close
    plain=$(act "${@//PORT/$PORT}")
    finish server >/dev/null
    client respect "$policy" "${@//PORT/$PORT}"
    diff <(echo "$plain") <(echo "$output")
}

# --- respect ---

aborts() {
    client respect "$policy" "$@" write:1000 wait-acked getlinger getlinger2 close
    [[ $output == *$'\n'"getlinger 1:0"$'\n'"getlinger2 $UNSET_LINGER2"$'\n'* ]]
    peer_read server '1000 ECONNRESET'
    [ -z "$(states "$PORT")" ]
    [ "$(logged via action reason policy)" = "close none app-linger $policy" ]
}

before_connect() {
    aborts socket "$@" "connect:$PORT"
}

after_connect() {
    aborts "connect:$PORT" "$@"
}

@test "respect: SO_LINGER {1,0} aborts, set before connect" {
    each_policy before_connect linger:1:0
}

@test "respect: SO_LINGER {1,0} aborts, set after connect" {
    each_policy after_connect linger:1:0
}

@test "respect: SO_LINGER {1,0} aborts, set after other values and by a copy" {
    each_policy after_connect linger:1:9 linger:0:0 linger:1:0
    each_policy after_connect dup:b linger:1:0@b close@b
}

@test "respect: SO_LINGER {1,5} is a plain close" {
    plain_close() {
        client respect "$policy" "connect:$PORT" "$@" write:1000 getlinger getlinger2 close
        [[ $output == *$'\n'"getlinger 1:5"$'\n'"getlinger2 $UNSET_LINGER2"$'\n'* ]]
        peer_read server '1000 EOF'
        [ "$(time_wait_client "$PORT")" -eq 1 ]
        [ "$(logged action reason)" = 'none app-linger' ]
    }
    each_policy plain_close linger:1:5
}

@test "respect: a linger that is taken back leaves the policy to decide" {
    policy=fin-rst
    for steps in 'socket linger:1:0 linger:0:0 connect' 'connect linger:1:0 linger:0:0'; do
        echo "$policy, $steps:"
        new_port
        # shellcheck disable=SC2086 # steps
        client respect "$policy" ${steps/connect/connect:$PORT} write:1000 getlinger \
            getlinger2 close
        [[ $output == *$'\ngetlinger 0:0\ngetlinger2 -1\n'* ]]
        peer_read server '1000 EOF'
        [ -z "$(states "$PORT")" ]
        [ "$(logged action reason)" = 'fin-rst armed' ]
    done
    client respect abort "connect:$PORT" linger:1:0 linger:0:5 write:1000 wait-acked close
    peer_read server '1000 ECONNRESET'
    [ "$(logged action reason)" = 'rst abort' ]
}

own_linger2() {
    client respect "$policy" "$@" write:1000 getlinger getlinger2 close
    [[ $output == *$'\ngetlinger 0:0\ngetlinger2 7\n'* ]]
    peer_read server '1000 EOF'
    [ "$(time_wait_client "$PORT")" -eq 1 ]
    [ "$(logged action reason)" = 'none app-linger' ]
}

@test "respect: a TCP_LINGER2 of the application's stays as it is, set before connect" {
    linger2_before() {
        own_linger2 socket linger2:7 "connect:$PORT"
    }
    each_policy linger2_before
}

@test "respect: a TCP_LINGER2 of the application's stays as it is, set after connect" {
    linger2_after() {
        own_linger2 "connect:$PORT" linger2:7
    }
    each_policy linger2_after
}

@test "respect: a TCP_LINGER2 of -1 is the application's, too" {
    for policy in fin-rst auto abort; do
        new_port
        client respect "$policy" "connect:$PORT" linger2:-1 write:1000 getlinger2 close
        [[ $output == *$'\ngetlinger2 -1\n'* ]]
        peer_read server '1000 EOF'
        [ -z "$(states "$PORT")" ]
        [ "$(logged action reason)" = 'none app-linger' ]
    done
}

@test "respect: an application that sets a linger sees the options it would see without us" {
    options() {
        as_plain socket linger:1:3 getlinger getlinger2 connect:PORT getlinger getlinger2 \
            linger2:5 getlinger2 linger:0:0 getlinger getlinger2 linger2:-1 getlinger2 \
            linger2:9 getlinger2 linger:1:2 getlinger getlinger2 write:10 close
    }
    each_policy options
    [ "$(logged reason)" = app-linger ]
}

@test "respect: a linger outlasts connect(AF_UNSPEC), as in the kernel" {
    serve "$PORT" loop:2 accept readall close end
    NOTIMEWAIT_LOG=$LOG run preload abort act "connect:$PORT" linger:1:5 connect-unspec "connect:$PORT" \
        getlinger close
    finish server
    [[ $output == *'getlinger 1:5'* && $(logged via reason) == $'disconnect disconnect\nclose app-linger' ]]
}

@test "respect: is the default" {
    serve "$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG preload auto act "connect:$PORT" linger:1:0 write:9 wait-acked close
    finish server | grep -x 'readall 9 ECONNRESET'
    [ "$(logged reason)" = app-linger ]
}

@test "respect: an exit without close is the application's, too" {
    policy=fin-rst
    new_port
    client respect "$policy" "connect:$PORT" linger:1:5 write:1000 exit
    peer_read server '1000 EOF'
    [ "$(time_wait_client "$PORT")" -eq 1 ]
    [ "$(logged via action)" = 'exit none' ]
}

# --- on the listener ---

inherits() {
    server respect "$policy" socket linger:1:0 "listen:$PORT" accept write:1000 wait-acked \
        getlinger getlinger2 close
    [[ $output == *$'\n'"getlinger 1:0"$'\n'"getlinger2 $UNSET_LINGER2"$'\n'* ]]
    peer_read client '1000 ECONNRESET'
    [ "$(time_wait_server "$PORT")" -eq 0 ]
    [ "$(logged role action reason)" = 'server none app-linger' ]
}

@test "respect: accepted connections inherit the listener's SO_LINGER" {
    each_policy inherits
}

@test "respect: accepted connections inherit the listener's TCP_LINGER2" {
    inherits2() {
        server respect "$policy" socket linger2:7 "listen:$PORT" accept write:1000 getlinger2 \
            close
        [[ $output == *$'\ngetlinger2 7\n'* ]]
        peer_read client '1000 EOF'
        [ "$(time_wait_server "$PORT")" -eq 1 ]
        [ "$(logged role action reason)" = 'server none app-linger' ]
    }
    each_policy inherits2
}

@test "respect: a listener's linger that was taken back is none, one of the connection is" {
    policy=fin-rst
    new_port
    server respect "$policy" socket linger:1:0 linger:0:0 "listen:$PORT" accept write:1000 \
        getlinger getlinger2 close
    [[ $output == *$'\ngetlinger 0:0\ngetlinger2 -1\n'* ]]
    peer_read client '1000 EOF'
    [ "$(logged role action reason)" = 'server fin-rst armed' ]
    new_port
    server respect "$policy" "listen:$PORT" accept linger:1:0 write:1000 wait-acked \
        getlinger2 close
    [[ $output == *$'\n'"getlinger2 $UNSET_LINGER2"$'\n'* ]]
    peer_read client '1000 ECONNRESET'
    [ "$(logged role action reason)" = 'server none app-linger' ]
}

# --- override ---

# unsent MODE STEP...: a client with a linger of its own closes 400 KB that the peer has not
# read; the server reads only once the client has ended.
unsent() {
    rm -f "$LOG" "$GO"
    serve "$PORT" rcvbuf:8192@l accept "wait-file:$GO" readall close
    output=$(NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_LINGER=$1 preload "$policy" act "${@:2}")
    touch "$GO"
    finish server >"$BATS_TEST_TMPDIR/server"
    settle "$PORT"
}

cured() {
    unsent override "$@" writen:400000 getlinger close
    [[ $output == *$'\ngetlinger 1:0\nclose 0' ]]
    peer_read server '400000 EOF'
    [ -z "$(states "$PORT")" ]
    [ "$(logged action reason)" = 'fin-rst armed' ]
}

@test "respect: an application that aborts its unsent data loses it" {
    policy=fin-rst
    unsent respect "connect:$PORT" linger:1:0 writen:400000 close
    run peer_read server '400000 EOF'
    [ "$status" -eq 1 ]
    grep -E '^readall [0-9]+ ECONNRESET' "$BATS_TEST_TMPDIR/server"
}

@test "override: an application that aborts its unsent data loses nothing" {
    policy=fin-rst
    new_port
    cured "connect:$PORT" linger:1:0
    new_port
    cured socket linger:1:0 "connect:$PORT"
}

@test "override: a server's listener does not make it abort" {
    policy=fin-rst
    new_port
    server override "$policy" socket linger:1:0 "listen:$PORT" accept writen:400000 \
        getlinger close
    [[ $output == *$'\ngetlinger 1:0\nclose 0' ]]
    peer_read client '400000 EOF'
    [ "$(time_wait_server "$PORT")" -eq 0 ]
    [ "$(logged action reason)" = 'fin-rst armed' ]
}

@test "override: a blocking close does not block any more" {
    policy=fin-rst
    new_port
    unsent override "connect:$PORT" linger:1:20 writen:400000 getlinger close-timed
    [[ $output =~ 'getlinger 1:20'$'\nclose-timed 0 us='([0-9]+)$ ]]
    [ "${BASH_REMATCH[1]}" -lt 1000000 ]
    peer_read server '400000 EOF'
    [ -z "$(states "$PORT")" ]
}

@test "override: each policy decides as if nothing had been set" {
    declare -A wanted=(
        [off]='none off' [last-read]='none not-read-last' [drain:50]='rst drained'
        [drain-eof:50]='none drain-timeout' [abort]='rst abort' [delay:20]='rst delayed'
        [linger:2]='linger linger' [auto]='none plain' [fin-rst]='fin-rst armed'
    )
    for policy in "${!wanted[@]}"; do
        for setting in linger:1:0 linger2:7; do
            echo "$policy $setting:"
            new_port
            client override "$policy" "connect:$PORT" "$setting" write:1000 wait-acked close
            [ "$(logged action reason)" = "${wanted[$policy]}" ]
            [[ $policy != fin-rst ]] || [ -z "$(states "$PORT")" ]
        done
    done
}

@test "override: what is no lever of the policy's is the plain close, not the application's" {
    plainly() {
        unsent override "connect:$PORT" linger:1:0 writen:400000 close
        peer_read server '400000 EOF'
        [ "$(time_wait_client "$PORT")" -eq 1 ]
        [ "$(logged action)" = none ]
    }
    ONLY='auto last-read' each_policy plainly
}

@test "override: a TCP_LINGER2 of -1 does not arm a policy that does not" {
    client override last-read "connect:$PORT" linger2:-1 write:1000 wait-acked getlinger2 close
    [[ $output == *$'\ngetlinger2 -1\nclose 0' ]]
    peer_read server '1000 EOF'
    [ "$(time_wait_client "$PORT")" -eq 1 ]
    [ "$(logged action reason)" = 'none not-read-last' ]
}

@test "override: off leaves even then everything as it is" {
    client override off "connect:$PORT" linger:1:0 write:1000 wait-acked close
    peer_read server '1000 ECONNRESET'
    [ "$(logged action reason)" = 'none off' ]
}

@test "override: a TCP_LINGER2 of the application's does not disarm" {
    policy=fin-rst
    for end in close exit; do
        for set in 'socket linger2:7 connect' 'connect linger2:7'; do
            echo "$policy, $set, $end:"
            new_port
            # shellcheck disable=SC2086 # set
            client override "$policy" ${set/connect/connect:$PORT} write:1000 "$end"
            peer_read server '1000 EOF'
            [ -z "$(states "$PORT")" ]
            [ "$(logged via action)" = "$end fin-rst" ]
        done
    done
}

# inherited_listener linger2|linger:SECONDS: a listener made without the library, with TCP_LINGER2 -1
# or that SO_LINGER, at fd 7 of a server under abort, which accepts one connection.
inherited_listener() {
    NOTIMEWAIT_LOG=$LOG start server /usr/bin/python3 -c '
import os, socket, struct, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if sys.argv[1] == "linger2":
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, -1)
else:
    seconds = int(sys.argv[1].split(":")[1])
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))
s.bind(("127.0.0.1", int(sys.argv[2])))
s.listen()
os.dup2(s.fileno(), 7)
print("listen", flush=True)
os.environ.update(LD_PRELOAD=sys.argv[3], NOTIMEWAIT_POLICY="abort")
os.execv(sys.argv[4], [sys.argv[4], "use:l", "fd:7", "accept", "getlinger2", "getlinger", "close"])
' "$1" "$PORT" "$LIB" "$ACT"
    wait_output server '^listen'
    act "connect:$PORT" readall
    finish server
}

@test "what an accepted socket inherits from an unknown listener: -1 is set back, a linger kept" {
    run inherited_listener linger2
    echo "$output"
    [[ $output == *'getlinger2 60'*'getlinger 0:0'* && $(json reason "$LOG") == abort ]]
    local seconds
    for seconds in 5 -1; do
        rm "$LOG"
        new_port
        run inherited_listener "linger:$seconds"
        echo "$output"
        [[ $seconds -gt 0 ]] || seconds='?*' # for ever: the kernel tells the lower half of a long
        # shellcheck disable=SC2053 # a pattern
        [[ $output == *$'\n'"getlinger 1:"$seconds$'\n'* && $(json reason "$LOG") == app-linger ]]
    done
}
