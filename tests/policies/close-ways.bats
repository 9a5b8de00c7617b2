#!/usr/bin/env bats
# Every way to end a connection: what the peer reads, what stays here, what the log says of it;
# and the calls that look like an end and are none.

load ../lib/helper
load ../lib/each-policy

share_cpu

# ends POLICY STEP...: a client sends 1000 bytes and ends by the steps; prints what it printed.
# Afterwards the server has read to the end, and the log is in $LOG.
ends() {
    new_port
    rm -f "$LOG"
    serve "$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG preload "$1" act "connect:$PORT" write:1000 "${@:2}" || true
    finish server >"$BATS_TEST_TMPDIR/server"
    settle "$PORT"
}

# the_server_read TEXT: that is how it saw the connection end.
the_server_read() {
    grep -Fx "readall $1" "$BATS_TEST_TMPDIR/server" && return
    cat "$BATS_TEST_TMPDIR/server"
    return 1
}

# delivers VIA STEP...: every byte and EOF arrive; auto leaves TIME_WAIT, fin-rst none; and the
# record, if there is to be one, says so.
delivers() {
    local via=$1
    shift
    delivers_under auto 'client TIME_WAIT' "$via none plain" "$via" "$@"
    delivers_under fin-rst '' "$via fin-rst armed" "$via" "$@"
}

# delivers_under POLICY STATES RECORD VIA STEP...
delivers_under() {
    local record=$3
    echo "$1: ${*:5}"
    [ "$4" != exit ] || record="${3% *} exit"
    ends "$1" "${@:5}"
    the_server_read '1000 EOF'
    [ "$(states "$PORT")" = "$2" ]
    if [ "$4" = none ]; then
        [ ! -s "$LOG" ]
    else
        [ "$(logged via action reason state)" = "$record ESTABLISHED" ]
    fi
}

@test "close" {
    delivers close close
}

@test "__close" {
    cat >"$BATS_TEST_TMPDIR/close.py" <<-'PYTHON'
	import ctypes, socket, sys
	s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
	s.sendall(b"x" * 1000)
	getattr(ctypes.CDLL(None), "__close")(s.detach())
	PYTHON
    serve "$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG preload fin-rst python3 "$BATS_TEST_TMPDIR/close.py" "$PORT"
    finish server | grep -x 'readall 1000 EOF'
    settle "$PORT"
    [ -z "$(states "$PORT")" ]
    [ "$(logged via action reason)" = 'close fin-rst armed' ]
}

@test "dup2 and dup3 over it" {
    delivers dup2 open:/dev/null@b dup2:a@b
    delivers dup2 open:/dev/null@b dup3:a:cloexec@b
}

@test "fclose and freopen" {
    delivers fclose fdopen fclose
    delivers fclose fdopen freopen:/dev/null
    delivers fclose fdopen freopen64:/dev/null
    delivers fclose fdopen freopen:/nonexistent/file
}

@test "close_range and closefrom" {
    delivers close_range close_range:fd:fd
    delivers close_range close_range:fd:max
    delivers close_range closefrom:fd
}

@test "close_range ends each connection of the range" {
    serve "$PORT" accept readall close accept readall close
    NOTIMEWAIT_LOG=$LOG preload fin-rst act "connect:$PORT" write:1000 open:/dev/null@b \
        "connect:$PORT@c" write:1000@c close_range:a:c expect-open:b
    run finish server
    [ "$(grep -c '^readall 1000 EOF' <<<"$output")" -eq 2 ]
    settle "$PORT"
    [ -z "$(states "$PORT")" ]
    [ "$(logged via action)" = $'close_range fin-rst\nclose_range fin-rst' ]
}

@test "close_range that unshares the fds first closes, unless another thread keeps them" {
    delivers close_range close_range:fd:fd:unshare expect-open:fd
    ends abort wait-acked close_range:fd:fd:unshare
    [ "$(logged via action)" = 'close_range rst' ]
    for policy in auto fin-rst abort; do
        ends "$policy" wait-acked thread sleep:1 end join close_range:fd:fd:unshare expect-open:fd
        the_server_read '1000 EOF'
        [[ $policy != fin-rst || -z $(states "$PORT") ]]
        [ ! -s "$LOG" ]
    done
}

@test "a shutdown before the close" {
    shut() {
        rm -f "$LOG" "$BATS_TEST_TMPDIR/closed"
        serve "$PORT" accept readall "wait-file:$BATS_TEST_TMPDIR/closed" close
        NOTIMEWAIT_LOG=$LOG preload "$1" act "connect:$PORT" write:1000 shutdown:wr \
            wait-state:FIN_WAIT2 close "sync:$BATS_TEST_TMPDIR/closed"
        finish server | grep -x 'readall 1000 EOF'
        settle "$PORT"
        [ "$(states "$PORT")" = "$2" ]
        [ "$(logged via action state)" = "close $3 FIN_WAIT2" ]
        new_port
    }
    shut auto 'client TIME_WAIT' none
    shut fin-rst '' fin-rst
}

@test "the end of the process: exit, return from main, _exit, quick_exit" {
    delivers exit exit
    delivers exit say:returns
    delivers exit _exit
    delivers exit quick_exit
    [ "$(logged close_us)" = null ]
}

@test "the end of the process by a signal" {
    delivers none kill:KILL
    delivers none kill:TERM
    delivers none abort
}

@test "exec with FD_CLOEXEC" {
    delivers none close_range:fd:fd:cloexec exec:true
}

@test "the server closes first" {
    for end in close exit; do
        rm -f "$LOG"
        NOTIMEWAIT_LOG=$LOG serve_preload fin-rst "$PORT" accept write:1000 "$end"
        run act "connect:$PORT" readall close
        [ "${lines[1]}" = 'readall 1000 EOF' ]
        finish server
        settle "$PORT"
        [ -z "$(states "$PORT")" ]
        [ "$(logged via role action)" = "$end server fin-rst" ]
        new_port
    done
}

@test "IPv6" {
    serve "[::1]:$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG preload fin-rst act "connect:[::1]:$PORT" write:1000 close
    finish server | grep -x 'readall 1000 EOF'
    settle "$PORT"
    [ -z "$(states "$PORT")" ]
    [ "$(logged via action peer)" = "close fin-rst [::1]:$PORT" ]
}

@test "connect(AF_UNSPEC) resets, as without the library, and is reported" {
    for policy in off auto fin-rst abort; do
        ends "$policy" wait-acked connect-unspec getlinger getlinger2 close
        the_server_read '1000 ECONNRESET'
        [ -z "$(states "$PORT")" ]
        [ "$(logged via action reason)" = 'disconnect none disconnect' ]
    done
}

# --- a lever in each call that ends ---

@test "each call that ends a connection pulls the policy's lever" {
    for steps in close 'open:/dev/null@b dup2:a@b' 'open:/dev/null@b dup3:a@b' \
        'fdopen fclose' close_range:fd:fd closefrom:fd; do
        echo "$steps:"
        # shellcheck disable=SC2086 # steps
        ends abort wait-acked $steps
        the_server_read '1000 ECONNRESET'
        [ "$(logged action reason)" = 'rst abort' ]
    done
}

@test "freopen() pulls none: it may wait where it opens the path" {
    ends abort wait-acked fdopen freopen:/dev/null
    the_server_read '1000 EOF'
    [ "$(logged action reason)" = 'none stdio-output' ]
}

@test "the end of the process pulls none" {
    for step in exit _exit quick_exit; do
        for policy in auto abort delay:20 last-read drain:50 linger:2; do
            echo "$policy $step:"
            ends "$policy" wait-acked "$step"
            the_server_read '1000 EOF'
            [ "$(time_wait_client "$PORT")" -eq 1 ]
            [ "$(logged via action reason)" = 'exit none exit' ]
        done
    done
}

@test "neither does a signal, nor exec" {
    for steps in kill:KILL 'close_range:fd:fd:cloexec exec:true'; do
        echo "$steps:"
        # shellcheck disable=SC2086 # steps
        ends abort wait-acked $steps
        the_server_read '1000 EOF'
        [ "$(time_wait_client "$PORT")" -eq 1 ]
        [ ! -s "$LOG" ]
    done
}

# --- calls that do not end it ---

# survives STEP...: the connection still works after the steps, which have changed neither its
# options nor the log; what was printed is $output.
survives() {
    rm -f "$LOG"
    serve "$PORT" accept readn:20 write:5 readall
    output=$(NOTIMEWAIT_LOG=$LOG preload "$policy" act "connect:$PORT" open:/dev/null@b fd:900@c \
        write:10 "$@" getlinger getlinger2 write:10 readn:5 say:end close)
    [[ $output == *$'\n'"getlinger 0:0"$'\n'"getlinger2 $(linger2_under "$policy")"$'\n'* ]]
    [[ $output == *$'\nreadn 5\nsay end\nclose 0' ]]
    finish server | grep -x 'readn 20'
    [ "$(logged via policy)" = "close $policy" ]
}

@test "dup2 that fails, or changes nothing, is no end" {
    each_policy survives dup2:a@c dup2:fd dup2:-1 dup2:2147483647
    [ "$(grep -c '^dup2 -1 EBADF' <<<"$output")" -eq 3 ]
}

@test "dup3 that fails is no end" {
    each_policy survives dup3:a@c dup3:a:cloexec@c dup3:fd dup3:a:77@b
    [ "$(grep -c '^dup3 -1 EBADF' <<<"$output")" -eq 2 ]
    [ "$(grep -c '^dup3 -1 EINVAL' <<<"$output")" -eq 2 ]
}

@test "close_range that fails, or closes later, is no end" {
    each_policy survives close_range:max:fd close_range:fd:fd:64 close_range:fd:fd:cloexec expect-open:fd
    [ "$(grep -c '^close_range -1 EINVAL' <<<"$output")" -eq 2 ]
    [ "$(grep -c '^close_range 0' <<<"$output")" -eq 1 ]
    grep -x 'expect-open 1' <<<"$output"
}

@test "a connect() that a signal interrupts goes on, and its close is the policy's" {
    NOTIMEWAIT_LOG=$LOG run preload fin-rst python3 -c '
import os, signal, socket, time
listener = socket.create_server(("127.0.0.1", 0), backlog=0)
first = socket.create_connection(listener.getsockname())  # the queue is full
signal.signal(signal.SIGUSR1, lambda *unused: None)
if os.fork() == 0:  # (a thread of Python crashes under a preloaded ThreadSanitizer)
    to = ":%04X 02 " % listener.getsockname()[1]  # SYN_SENT: it is in connect()
    while to not in open("/proc/net/tcp").read():
        time.sleep(0.01)
    os.kill(os.getppid(), signal.SIGUSR1)
    listener.accept()
    os._exit(0)
second = socket.socket()
second.connect(listener.getsockname())  # again after a second
print("linger2", second.getsockopt(socket.IPPROTO_TCP, 8))
second.close()'
    echo "$output"
    cat "$LOG"
    [[ $status -eq 0 && $output == 'linger2 -1' ]]
    [[ $(jq -r 'select(.role == "client" and .connect_us == null).action' "$LOG") == fin-rst ]]
}

@test "closing something else is no end" {
    each_policy survives close@b open:/dev/null@b dup2:b@b close_range:b:b open:/dev/null@b close@c fd:900@c
}

@test "connecting again is no end" {
    each_policy survives "connect:$PORT" dup2:900:d close@d
}

@test "after connect(AF_UNSPEC) nothing of the library is left, and it can connect again" {
    reconnect() {
        rm -f "$LOG"
        serve "$PORT" accept readall close accept readall close
        output=$(NOTIMEWAIT_LOG=$LOG preload "$policy" act "connect:$PORT" write:1000 wait-acked \
            connect-unspec getlinger getlinger2 "connect:$PORT" getlinger getlinger2 write:500 \
            shutdown:wr wait-acked close)
        [[ $output == *$'\nconnect-unspec 0\ngetlinger 0:0\ngetlinger2 '"$(linger2_under off)"$'\n'* ]]
        [[ $output == *$'\nconnect 0\ngetlinger 0:0\ngetlinger2 '"$(linger2_under "$policy")"$'\n'* ]]
        run finish server
        [[ $output == *$'\nreadall 1000 ECONNRESET\n'*$'\nreadall 500 EOF\n'* ]]
        [ "$(logged via policy)" = "disconnect $policy"$'\n'"close $policy" ]
    }
    each_policy reconnect
}

# --- output that stdio still holds ---

# holds N: fclose() with N bytes in a stream whose peer does not read yet.
holds() {
    local want
    echo "$1 bytes:"
    rm -f "$LOG" "$BATS_TEST_TMPDIR/closed"
    serve "$PORT" accept "wait-file:$BATS_TEST_TMPDIR/closed" readall
    NOTIMEWAIT_LOG=$LOG preload "$policy" act "connect:$PORT" fdopen "fprintf:$1" fclose \
        "sync:$BATS_TEST_TMPDIR/closed" | grep -x 'fclose 0'
    finish server | grep -x "readall $1 EOF"
    case $policy in
    off) want='fclose none off' ;;
    last-read) want='fclose none not-read-last' ;;
    reap) want='fclose none reap' ;;
    auto) want='fclose none plain' ;;
    fin-rst) want='fclose fin-rst stdio-output' ;;
    *) want='fclose none stdio-output' ;;
    esac
    [ "$(logged via action reason)" = "$want" ]
}

@test "fclose with output pending delivers it all, without waiting" {
    each_policy holds 60000
    each_policy holds 200000
}

@test "fclose with nothing pending follows the policy" {
    ends abort fdopen fprintf:500 fflush wait-acked fclose
    the_server_read '1500 ECONNRESET'
    [ "$(logged via action reason)" = 'fclose rst abort' ]
}
