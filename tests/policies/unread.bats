#!/usr/bin/env bats
# Closing with input that nobody has read. The kernel would send RST and drop what we still had
# to send (fact 7 of the design), and so does auto; fin-rst discards the input first, drain while it
# waits.

load ../lib/helper
load ../lib/outcome

setup_file() {
    roomy_sndbuf
    roomy_rcvbuf
}

# unread POLICY EXPECTED: 100 bytes have come and not been read.
unread() {
    local variant
    for variant in v4 v6-nonblock v4-unlogged; do
        outcome "$1" client "$variant" 'wait-unread:100 close' 'write:100 readall close' "$2"
    done
    outcome "$1" server v4 'wait-unread:100 close' 'write:100 readall close' "$2"
    [ "$(logged state unread last_op)" = 'ESTABLISHED 100 none' ]
}

@test "off: unread input, the kernel resets" {
    unread off 'reads=0 ECONNRESET, rst=yes, keeps=none, does=none off'
}

@test "auto: unread input, the kernel resets" {
    unread auto 'reads=0 ECONNRESET, rst=yes, keeps=none, does=none plain'
}

@test "fin-rst: unread input is discarded, the peer reads EOF" {
    unread fin-rst 'reads=0 EOF, rst=yes, keeps=none, does=fin-rst discarded'
}

@test "last-read: unread input, the kernel resets" {
    unread last-read 'reads=0 ECONNRESET, rst=yes, keeps=none, does=none not-read-last'
}

@test "drain: unread input is discarded, then RST" {
    unread drain 'reads=0 ECONNRESET, rst=yes, keeps=none, does=rst drained'
}

@test "drain-eof:100: unread input is discarded, the peer reads EOF" {
    unread drain-eof:100 'reads=0 EOF, rst=no, keeps=us, does=none drain-timeout'
}

@test "abort: unread input" {
    unread abort 'reads=0 ECONNRESET, rst=yes, keeps=none, does=rst abort'
}

@test "delay:20: unread input" {
    unread delay:20 'reads=0 ECONNRESET, rst=yes, keeps=none, does=rst delayed'
}

@test "linger:2: unread input, the kernel resets" {
    unread linger:2 'reads=0 ECONNRESET, rst=yes, keeps=none, does=linger linger'
}

@test "input that was read in part is unread input" {
    half_read() {
        outcome "$1" client v4 'wait-unread:100 read:40 close' 'write:100 readall close' "$2"
        [ "$(logged unread last_op)" = '60 read' ]
    }
    half_read off 'reads=0 ECONNRESET, rst=yes, keeps=none, does=none off'
    half_read auto 'reads=0 ECONNRESET, rst=yes, keeps=none, does=none plain'
    half_read fin-rst 'reads=0 EOF, rst=yes, keeps=none, does=fin-rst discarded'
    half_read last-read 'reads=0 ECONNRESET, rst=yes, keeps=none, does=rst read-last'
}

@test "fin-rst: input below SO_RCVLOWAT, of which poll() does not tell, is discarded" {
    local who
    for who in client listener; do
        run preload fin-rst python3 -c '
import select, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
client = socket.socket()
low = client if sys.argv[1] == "client" else listener
low.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1000)
client.connect(listener.getsockname())
server = listener.accept()[0]
closer, peer = (client, server) if low is client else (server, client)
peer.sendall(b"x" * 100)
def queued():
    try:
        return len(closer.recv(1000, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return 0  # a busy machine delivers it late
while queued() < 100:
    pass
assert select.select([closer], [], [], 0)[0] == []
closer.sendall(b"answer")
closer.close()
print(peer.recv(1000), peer.recv(1000))' "$who"
        echo "$who: $output"
        [[ $status -eq 0 && $output == "b'answer' b''" ]]
    done
}

@test "what we wrote arrives under fin-rst, and not with a plain close, if input is unread" {
    # 4 MB of ours that the peer, with a small buffer, has not taken.
    unsent() {
        outcome "$1" client v4 \
            "wait-unread:100 nonblock write:4000000 close sync:$STEP.closed" \
            "write:100 wait-file:$STEP.closed readall close" "$2" 'socket rcvbuf:16384'
    }
    unsent fin-rst 'reads=4000000 EOF, rst=yes, keeps=none, does=fin-rst discarded'
    unsent drain:50 'reads=4000000 EOF, rst=no, keeps=us, does=none drain-timeout'
    for policy in off auto; do
        run unsent "$policy" ''
        [[ $output =~ reads=([0-9]+)\ ECONNRESET ]]
        [ "${BASH_REMATCH[1]}" -lt 4000000 ]
    done
}

@test "1 MB of unread input is discarded by fin-rst" {
    outcome fin-rst client v4 'wait-unread:1000000 close' 'writen:1000000 readall close' \
        'reads=0 EOF, rst=yes, keeps=none, does=fin-rst discarded'
    [ "$(logged unread)" = 1000000 ]
    outcome off client v4 'wait-unread:1000000 close' 'writen:1000000 readall close' \
        'reads=0 ECONNRESET, rst=yes, keeps=none, does=none off'
}

@test "unread input before the peer's EOF" {
    # The peer has closed: an RST frees it, a FIN leaves it in TIME_WAIT.
    then_eof() {
        outcome "$1" client v4 'wait-state:CLOSE_WAIT close' 'write:100 close' "$2"
        [ "$(logged state unread)" = 'CLOSE_WAIT 100' ]
    }
    then_eof off 'reads=nothing, rst=yes, keeps=none, does=none off'
    then_eof auto 'reads=nothing, rst=yes, keeps=none, does=none plain'
    then_eof fin-rst 'reads=nothing, rst=no, keeps=peer, does=fin-rst discarded'
    then_eof drain-eof:60000 'reads=nothing, rst=yes, keeps=none, does=rst peer-eof'
}

@test "unread input at a peer that has half-closed: under fin-rst it reads all of ours and EOF" {
    half_closed() {
        outcome "$1" server "${3-v4}" 'wait-unread:100 wait-state:CLOSE_WAIT write:1000 close' \
            'write:100 shutdown:wr readall close' "$2"
    }
    half_closed fin-rst 'reads=1000 EOF, rst=no, keeps=peer, does=' v4-unlogged
    half_closed off 'reads=1000 ECONNRESET, rst=yes, keeps=none, does=none off'
    half_closed fin-rst 'reads=1000 EOF, rst=no, keeps=peer, does=fin-rst discarded'
}

@test "unread input behind our shutdown(SHUT_RD), before and after it" {
    shut() {
        outcome "$1" client v4 'wait-unread:100 shutdown:rd wait-unread:200 close' \
            'nodelay write:100 write:100 readall close' "$2"
    }
    shut off 'reads=0 ECONNRESET, rst=yes, keeps=none, does=none off'
    shut fin-rst 'reads=0 EOF, rst=yes, keeps=none, does=fin-rst discarded'
    shut drain-eof:50 'reads=0 EOF, rst=no, keeps=us, does=none drain-timeout'
}

# --- urgent data ---

# urgent POLICY PATTERN SENT...: an unread urgent byte, perhaps among others.
urgent() {
    outcome "$1" client v4 "wait-file:$STEP.sent poll:pri:5000 close" \
        "nodelay ${*:3} wait-acked sync:$STEP.sent readall close" "$2"
    [[ $(output_of us) == *'poll 1 '*PRI* ]]
}

@test "an unread urgent byte: a plain close resets, fin-rst discards it" {
    urgent off 'reads=0 ECONNRESET, rst=yes, keeps=none, does=none off' oob:1
    urgent auto 'reads=0 ECONNRESET, rst=yes, keeps=none, does=none plain' oob:1
    # Its reason may be armed: recv() skips the byte, counts none and says EAGAIN.
    urgent fin-rst 'reads=0 EOF, rst=yes, keeps=none, does=fin-rst *' oob:1
    urgent drain-eof:50 'reads=0 EOF, rst=no, keeps=us, does=none drain-timeout' oob:1
}

@test "an unread urgent byte among others: fin-rst discards them all" {
    discarded='reads=0 EOF, rst=yes, keeps=none, does=fin-rst discarded'
    urgent fin-rst "$discarded" write:100 oob:1
    urgent fin-rst "$discarded" oob:1 write:100
    urgent fin-rst "$discarded" write:100 oob:1 write:200
    urgent fin-rst "$discarded" write:100 oob:1 write:200 oob:1 write:300
    urgent off 'reads=0 ECONNRESET, rst=yes, keeps=none, does=none off' \
        write:100 oob:1 write:200
}

@test "an urgent byte inline is as others" {
    outcome fin-rst client v4 'oob-inline wait-unread:101 close' \
        'nodelay write:100 oob:1 readall close' \
        'reads=0 EOF, rst=yes, keeps=none, does=fin-rst discarded'
}

@test "an urgent byte that recv(MSG_OOB) has read still stands in the queue, as unread" {
    read_oob() {
        outcome "$1" client v4 'poll:pri:5000 recv-oob:1 close' 'oob:1 readall close' "$2"
    }
    read_oob off 'reads=0 ECONNRESET, rst=yes, keeps=none, does=none off'
    read_oob fin-rst 'reads=0 EOF, rst=yes, keeps=none, does=fin-rst *'
}

# --- input that keeps coming ---

@test "fin-rst closes while the peer writes flat out, and the peer gets an error" {
    meet fin-rst client v4 'wait-unread:100000 close' 'writen:2000000000 close'
    ended
    [[ $(seen) =~ 'does=fin-rst '(discarded|unread) ]]
    [[ $(output_of peer) =~ writen\ [0-9]+\ (EPIPE|ECONNRESET) ]]
    [ "$(keeps)" = none ]
}

@test "fin-rst discards in at most 4 calls, also when there is more after each" {
    need strace
    # Each recv() takes 30 ms: the peer's kernel, which has much more than fits, has sent more, and the
    # next finds something again.
    serve "$PORT" accept nonblock write:8000000 "sync:$STEP.written" block writen:2000000000 close
    NOTIMEWAIT_LOG='' run strace -o "$BATS_TEST_TMPDIR/trace" -e trace=recvmsg \
        -e inject=recvmsg:delay_exit=30000 -E LD_PRELOAD="$LIB" -E NOTIMEWAIT_POLICY=fin-rst \
        -E NOTIMEWAIT_LOG="$LOG" "$ACT" socket rcvbuf:65536 "connect:$PORT" "wait-file:$STEP.written" \
        wait-unread:1000 close
    [[ $output == *'close 0' ]]
    cat "$BATS_TEST_TMPDIR/trace"
    [ "$(grep -c '^recvmsg(' "$BATS_TEST_TMPDIR/trace")" -eq 4 ]
    [ "$(logged action reason)" = 'fin-rst unread' ]
    run finish server
    [[ $output =~ writen\ [0-9]+\ (EPIPE|ECONNRESET) ]]
}

@test "fin-rst discards by no call where nothing is unread, and by one what is" {
    need strace
    calls() {
        new_port
        serve "$PORT" accept "${@:2}" readall close
        strace -o "$BATS_TEST_TMPDIR/trace" -e trace=recvmsg -E LD_PRELOAD="$LIB" \
            -E NOTIMEWAIT_POLICY="$policy" "$ACT" "connect:$PORT" "wait-unread:$1" close >/dev/null
        finish server >/dev/null
        grep -c '^recvmsg(' "$BATS_TEST_TMPDIR/trace" || true # 0 is none
    }
    policy=fin-rst
    [ "$(calls 0)" -eq 0 ]
    [ "$(calls 100 write:100)" -eq 1 ]
    policy=auto # discards nothing
    [ "$(calls 100 write:100)" -eq 0 ]
}

@test "drain-eof discards all that comes, until the peer is done and closes" {
    outcome drain-eof:20000 client v4 'write:10 close' \
        'readn:10 writen:10000000 shutdown:wr readall close' \
        'reads=0 ECONNRESET, rst=yes, keeps=none, does=rst peer-eof'
    [[ $(output_of peer) == *'writen 10000000'* ]]
}

@test "drain and drain-eof keep their bound while the peer writes flat out" {
    for policy in drain:100 drain-eof:100; do
        # Ours stays unacknowledged: the peer, which never reads, has no room for it.
        meet "$policy" client v4 'nonblock write:4000000 close' 'writen:2000000000 close' \
            'socket rcvbuf:16384'
        ended
        [ "$(logged action reason)" = 'none drain-timeout' ]
        [[ $(output_of peer) =~ writen\ [0-9]+\ (EPIPE|ECONNRESET) ]]
    done
}
