#!/usr/bin/env bats
# Closing in every state of the connection, under every policy: what the log says was done, and
# which states are left. RST is sent only in SYN_RECV, ESTABLISHED, FIN_WAIT1, FIN_WAIT2 and
# CLOSE_WAIT (fact 10 of the design); in the others no policy acts or waits. fin-rst's discarding of
# unread input is no action, and is done in every state.

load ../lib/helper
load ../lib/outcome

setup_file() {
    roomy_sndbuf
    # A SYN to this address is sent and never seen again; so is what answers one from there.
    ip route add 192.0.2.1 dev lo
    # Fast Open for a listener that asks for it, also without a cookie (ip-sysctl: 0x2, 0x200).
    echo $((0x202)) >/proc/sys/net/ipv4/tcp_fastopen
}

# A peer that takes a little of 4 MB and reads no more: what follows is not sent, a FIN neither.
STUFFED='nonblock write:4000000'
SMALL='socket rcvbuf:16384'

# us_in STATE: we were in it when we closed.
us_in() {
    [[ $'\n'$(output_of us)$'\n' =~ $'\n'(wait-)?state\ $1$'\n' ]] && return
    echo "not in $1:"
    output_of us
    return 1
}

# sockets: the states of the connection's sockets, as `us FIN_WAIT1, peer CLOSE_WAIT`.
sockets() {
    local client=us server=peer
    [[ $ROLE == client ]] || { client=peer && server=us; }
    states "$PORT" | grep -v LISTEN |
        sed "s/client/$client/; s/server/$server/" | sort -r | paste -sd, | sed 's/,/, /g'
}

# closed STATE: we have closed in it, with the result 0.
closed() {
    finish us 20000 >/dev/null
    us_in "$1"
    output_of us | grep -qx 'close 0'
}

# --- no connection yet ---

# untouched POLICY STATE STEP...: we close in STATE: at once, without a record, and nothing of
# it is left, on the wire neither.
untouched() {
    rm -f "$LOG"
    resets
    start_us "$1" v4 "${@:3}"
    closed "$2"
    same "$1" "$(logged action reason)" 'no record'
    same "$1" "$(states "$PORT")" ''
    same "$1" "rst=$(rst)" rst=no
}

@test "SYN_SENT: no policy does anything, waits or leaves a record" {
    for policy in "${PATIENT_POLICIES[@]}"; do
        untouched "$policy" SYN_SENT "connect-nonblock:192.0.2.1:$PORT" state close
    done
}

@test "CLOSE, never connected: no policy does anything, waits or leaves a record" {
    for policy in "${PATIENT_POLICIES[@]}"; do
        untouched "$policy" CLOSE socket state close
        untouched "$policy" CLOSE socket "bind:$PORT" state close
    done
}

@test "CLOSE, connection refused: no policy does anything, waits or leaves a record" {
    for policy in "${PATIENT_POLICIES[@]}"; do
        rm -f "$LOG"
        resets
        start_us "$policy" v4 "connect:$PORT" state close
        closed CLOSE
        [[ $(output_of us) == *'connect -1 ECONNREFUSED'* ]]
        same "$policy" "$(logged action reason), rst=$(rst)" 'no record, rst=yes' # the refusal
    done
}

@test "LISTEN: no policy does anything, waits or leaves a record" {
    for policy in "${PATIENT_POLICIES[@]}"; do
        untouched "$policy" LISTEN "listen:$PORT" use:l getlinger getlinger2 state close
        # Neither is it armed: an accepted socket would inherit it (fact 9).
        [[ $(output_of us) == *$'getlinger 0:0\ngetlinger2 60'* ]]
    done
}

@test "LISTEN: a connection that was never accepted is reset by the kernel, as off" {
    for policy in "${PATIENT_POLICIES[@]}"; do
        rm -f "$LOG" "$STEP".*
        PORT=$(port)
        start_us "$policy" v4 "listen:$PORT" "wait-file:$STEP.connected" use:l close
        wait_output us '^listen'
        start peer act "connect:$PORT" "sync:$STEP.connected" readall close
        finish peer
        finish us
        same "$policy" "$(output_of peer | grep readall), $(logged action reason)" \
            'readall 0 ECONNRESET, no record'
    done
}

# --- SYN_RECV ---

# send_syn PORT: a SYN with the data 0123456789, from 192.0.2.1, which will never answer.
send_syn() {
    python3 - "$1" <<'PYTHON'
import socket, struct, sys

def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff

def tcp(check):
    header = (40000, int(sys.argv[1]), 1, 0, 5 << 4, 0x02, 65535, check, 0)
    return struct.pack('!HHIIBBHHH', *header) + b'0123456789'

source, target = socket.inet_aton('192.0.2.1'), socket.inet_aton('127.0.0.1')
pseudo = source + target + struct.pack('!BBH', 0, socket.IPPROTO_TCP, 30)
ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 50, 0, 0, 64, socket.IPPROTO_TCP, 0, source, target)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.sendto(ip + tcp(checksum(pseudo + tcp(0))), ('127.0.0.1', 0))
PYTHON
}

# syn_recv POLICY EXPECTED STEP...: we accept a Fast Open child, do the steps and close. What is
# left, how many RST were sent. A handshake that never ended has no record.
syn_recv() {
    need python3
    PORT=$(port)
    ROLE=server
    rm -f "$LOG"
    start_us "$1" v4 socket fastopen:10 "listen:$PORT" accept state "${@:3}" close
    wait_output us '^listen '
    resets
    send_syn "$PORT"
    closed SYN_RECV
    same "$*" "left: $(sockets), rst=$(rst), $(logged action reason)" "$2, no record"
}

@test "SYN_RECV, the data of the SYN is read: FIN or RST by policy" {
    fin='left: us FIN_WAIT1, rst=no' rst='left: , rst=yes'
    syn_recv off "$fin" read:10
    syn_recv auto "$fin" read:10
    syn_recv fin-rst "$fin" read:10
    syn_recv last-read "$rst" read:10
    syn_recv drain "$rst" read:10
    syn_recv drain-eof:100 "$fin" read:10
    syn_recv abort "$rst" read:10
    syn_recv delay:20 "$rst" read:10
    syn_recv linger:1 "$fin" read:10
}

@test "SYN_RECV, and our reply is unacknowledged: FIN or RST by policy" {
    fin='left: us FIN_WAIT1, rst=no' rst='left: , rst=yes'
    syn_recv off "$fin" read:10 write:10
    syn_recv auto "$fin" read:10 write:10
    syn_recv fin-rst "$fin" read:10 write:10
    syn_recv last-read "$fin" read:10 write:10
    syn_recv last-read "$fin" write:10 read:10
    syn_recv drain:100 "$fin" read:10 write:10
    syn_recv drain-eof:100 "$fin" read:10 write:10
    syn_recv abort "$rst" read:10 write:10
    syn_recv delay:20 "$rst" read:10 write:10
    syn_recv linger:1 "$fin" read:10 write:10
}

@test "SYN_RECV, the data of the SYN is not read: fin-rst discards it" {
    syn_recv off 'left: , rst=yes'
    syn_recv auto 'left: , rst=yes'
    syn_recv fin-rst 'left: us FIN_WAIT1, rst=no'
}

@test "SYN_RECV at the peer, which defers accept until there is data: off and auto end alike" {
    for policy in off auto fin-rst; do
        # Our FIN ends the deferral: the peer accepts a connection without a byte.
        meet "$policy" client v4 'state close' 'readall close' 'socket defer-accept:30'
        ended
        us_in ESTABLISHED
        [[ $(seen) == 'reads=0 EOF, '* ]]
    done
}

# --- ESTABLISHED and CLOSE_WAIT: see policies, lossless, unread and peer-first ---

@test "ESTABLISHED and CLOSE_WAIT: the record names the state" {
    for policy in "${POLICIES[@]}"; do
        meet "$policy" client v4 'readn:10 state close' 'write:10 readall close'
        closed ESTABLISHED
        same "$policy" "$(logged state)" ESTABLISHED
        finish peer
        meet "$policy" client v4 'readn:10 wait-state:CLOSE_WAIT close' 'write:10 close'
        closed CLOSE_WAIT
        same "$policy" "$(logged state)" CLOSE_WAIT
        finish peer
    done
}

# --- FIN_WAIT1 ---

# fin_wait1 POLICY LEFT PATTERN: our FIN waits behind 4 MB when we close. What is left then, and
# the outcome when the peer reads on.
fin_wait1() {
    meet "$1" client v4 "$STUFFED shutdown:wr state close" \
        "wait-file:$STEP.go:20000 readall close" "$SMALL"
    closed FIN_WAIT1
    same "$1" "$(logged state), left: $(sockets)" "FIN_WAIT1, left: $2"
    touch "$STEP.go"
    ended
    same "$1" "$(seen)" "$3"
}

@test "FIN_WAIT1: all arrives unless the policy is a lossy one" {
    fin='us FIN_WAIT1, peer ESTABLISHED' all='reads=4000000 EOF'
    fin_wait1 off "$fin" "$all, rst=no, keeps=us, does=none off"
    fin_wait1 auto "$fin" "$all, rst=no, keeps=us, does=none plain"
    fin_wait1 fin-rst "$fin" "$all, rst=yes, keeps=none, does=fin-rst armed"
    fin_wait1 last-read "$fin" "$all, rst=no, keeps=us, does=none not-read-last"
    fin_wait1 drain:50 "$fin" "$all, rst=no, keeps=us, does=none drain-timeout"
    fin_wait1 drain-eof:50 "$fin" "$all, rst=no, keeps=us, does=none drain-timeout"
    fin_wait1 linger:1 "$fin" "$all, rst=no, keeps=us, does=linger linger"
    fin_wait1 abort '' 'reads=* ECONNRESET, rst=yes, keeps=none, does=rst abort'
    fin_wait1 delay:20 '' 'reads=* ECONNRESET, rst=yes, keeps=none, does=rst delayed'
}

@test "FIN_WAIT1 after a read: last-read does not abort what is unacknowledged" {
    outcome last-read client v4 "$STUFFED readn:5 shutdown:wr state close sync:$STEP.go" \
        "write:5 wait-file:$STEP.go readall close" \
        'reads=4000000 EOF, rst=no, keeps=us, does=none unacked' "$SMALL"
    us_in FIN_WAIT1
}

@test "FIN_WAIT1: drain waits until the FIN is acknowledged, then resets in FIN_WAIT2" {
    outcome drain:20000 client v4 "$STUFFED shutdown:wr state sync:$STEP.go close" \
        "wait-file:$STEP.go readall wait-state:CLOSE close" \
        'reads=4000000 EOF, rst=yes, keeps=none, does=rst drained' "$SMALL"
    us_in FIN_WAIT1
}

@test "FIN_WAIT1: the close blocks for linger until the FIN is acknowledged" {
    outcome linger:20 client v4 "$STUFFED shutdown:wr state sync:$STEP.go close" \
        "wait-file:$STEP.go readslow:100000:1 close" \
        'reads=4000000 EOF, rst=no, keeps=us, does=linger linger' "$SMALL"
    us_in FIN_WAIT1
}

# --- FIN_WAIT2 ---

# fin_wait2 POLICY LEFT PATTERN: the peer has read our FIN and not closed; our last operation is
# a read. What is left after our close, and the outcome when the peer closes, too.
fin_wait2() {
    local variant
    for variant in v6-nonblock v4-unlogged; do
        meet "$1" client "$variant" 'write:10 readn:5 shutdown:wr wait-state:FIN_WAIT2 close' \
            "write:5 readall sync:$STEP.read wait-file:$STEP.go:20000 close"
        closed FIN_WAIT2
        wait_output peer '^sync'
        same "$1 $variant" "left: $(sockets)" "left: $2"
        touch "$STEP.go"
        ended
        if [[ $variant == *-unlogged ]]; then
            same "$1 $variant" "$(seen)" "${3%does=*}does=no record"
        else
            same "$1 $variant" "$(logged state), $(seen)" "FIN_WAIT2, $3"
        fi
    done
}

@test "FIN_WAIT2: RST at once, or a FIN_WAIT2 that becomes TIME_WAIT" {
    stays='us FIN_WAIT2, peer CLOSE_WAIT' read='reads=10 EOF'
    fin_wait2 off "$stays" "$read, rst=no, keeps=us, does=none off"
    fin_wait2 auto "$stays" "$read, rst=no, keeps=us, does=none plain"
    fin_wait2 fin-rst '' "$read, rst=yes, keeps=none, does=fin-rst armed"
    fin_wait2 last-read '' "$read, rst=yes, keeps=none, does=rst read-last"
    fin_wait2 drain '' "$read, rst=yes, keeps=none, does=rst drained"
    fin_wait2 drain-eof:50 "$stays" "$read, rst=no, keeps=us, does=none drain-timeout"
    fin_wait2 abort '' "$read, rst=yes, keeps=none, does=rst abort"
    fin_wait2 delay:20 '' "$read, rst=yes, keeps=none, does=rst delayed"
    fin_wait2 linger:2 "$stays" "$read, rst=no, keeps=us, does=linger linger"
}

@test "FIN_WAIT2 after a write: last-read closes as without us" {
    outcome last-read client v4 \
        "write:10 shutdown:wr wait-state:FIN_WAIT2 close sync:$STEP.closed" \
        "readall wait-file:$STEP.closed close" \
        'reads=10 EOF, rst=no, keeps=us, does=none not-read-last'
}

@test "FIN_WAIT2: the FIN that drain-eof waits for makes it TIME_WAIT, which nothing undoes" {
    outcome drain-eof:20000 client v4 \
        "write:10 shutdown:wr wait-state:FIN_WAIT2 sync:$STEP.go close" \
        "wait-file:$STEP.go readall close" 'reads=10 EOF, rst=no, keeps=us, does=none state'
}

@test "FIN_WAIT2: the peer's FIN during the delay makes it TIME_WAIT: no action is claimed" {
    outcome delay:300 client v4 \
        "write:10 shutdown:wr wait-state:FIN_WAIT2 sync:$STEP.go close" \
        "wait-file:$STEP.go readall close" 'reads=10 EOF, rst=no, keeps=us, does=none state'
}

# --- CLOSING, LAST_ACK: RST would only stop the FIN's retransmission ---

# closing POLICY: the FINs cross; ours waits behind 4 MB.
closing() {
    meet "$1" client v4 "$STUFFED shutdown:wr sync:$STEP.shut wait-state:CLOSING close" \
        "wait-file:$STEP.shut shutdown:wr wait-file:$STEP.go:20000 readall close" "$SMALL"
    closed CLOSING
    same "$1" "left: $(sockets)" 'left: us CLOSING, peer FIN_WAIT2'
    touch "$STEP.go"
    ended
}

@test "CLOSING: no policy does anything or waits, all arrives, both keep TIME_WAIT" {
    for policy in "${PATIENT_POLICIES[@]}"; do
        closing "$policy"
        same "$policy" "$(logged state), $(seen)" \
            "CLOSING, reads=4000000 EOF, rst=no, keeps=both, does=none $(idle "$policy")"
    done
}

@test "LAST_ACK: no policy does anything or waits, all arrives" {
    for policy in "${PATIENT_POLICIES[@]}"; do
        meet "$policy" client v4 "wait-state:CLOSE_WAIT $STUFFED shutdown:wr state close" \
            "shutdown:wr wait-file:$STEP.go:20000 readall close" "$SMALL"
        closed LAST_ACK
        same "$policy" "left: $(sockets)" 'left: us LAST_ACK, peer FIN_WAIT2'
        touch "$STEP.go"
        ended
        same "$policy" "$(logged state), $(seen)" \
            "LAST_ACK, reads=4000000 EOF, rst=no, keeps=peer, does=none $(idle "$policy")"
    done
}

# last_words POLICY STATE VARIANT EXPECTED: in CLOSING or LAST_ACK there is unread input, too.
last_words() {
    local before='' after=shutdown:wr
    [[ $2 == CLOSING ]] || { before=shutdown:wr && after=''; }
    meet "$1" client "$3" \
        "${before:+wait-state:CLOSE_WAIT} wait-unread:100 $STUFFED shutdown:wr sync:$STEP.shut \
        wait-state:$2 close sync:$STEP.closed" \
        "write:100 $before wait-file:$STEP.shut $after wait-file:$STEP.closed readall close" \
        "$SMALL"
    ended
    us_in "$2"
    same "$*" "$(seen)" "$4"
}

@test "CLOSING and LAST_ACK with unread input: the kernel resets, under off and auto" {
    for state in CLOSING LAST_ACK; do
        last_words off "$state" v4 'reads=* ECONNRESET, rst=yes, keeps=none, does=none off'
        last_words auto "$state" v4 'reads=* ECONNRESET, rst=yes, keeps=none, does=none plain'
    done
}

@test "CLOSING and LAST_ACK with unread input: fin-rst discards it, with a log or without" {
    for variant in v4 v4-unlogged; do
        last_words fin-rst CLOSING "$variant" 'reads=4000000 EOF, rst=no, keeps=both, does=n*'
        last_words fin-rst LAST_ACK "$variant" 'reads=4000000 EOF, rst=no, keeps=peer, does=n*'
    done
}

# --- CLOSE: it was a connection ---

# over POLICY OURS PEERS PATTERN: it is over before we close.
over() {
    outcome "$1" client v4 "$2 close" "$3" "$4, does=none $(idle "$1")"
    us_in CLOSE
    same "$1" "$(logged state)" CLOSE
}

@test "CLOSE, reset by the peer: no policy does anything or waits" {
    for policy in "${PATIENT_POLICIES[@]}"; do
        over "$policy" 'write:10 wait-state:CLOSE' 'readn:10 linger:1:0 close' \
            'reads=nothing, rst=yes, keeps=none'
        over "$policy" 'readn:10 wait-state:CLOSE' 'write:10 wait-acked linger:1:0 close' \
            'reads=nothing, rst=yes, keeps=none'
    done
}

@test "CLOSE, in TIME_WAIT after our half-close and the peer's FIN: nothing undoes it" {
    for policy in "${PATIENT_POLICIES[@]}"; do
        over "$policy" 'write:10 shutdown:wr wait-state:CLOSE' 'readall close' \
            'reads=10 EOF, rst=no, keeps=us'
    done
}

@test "CLOSE, after the peer's FIN and our half-close: no policy does anything or waits" {
    for policy in "${PATIENT_POLICIES[@]}"; do
        over "$policy" 'write:10 wait-state:CLOSE_WAIT shutdown:wr wait-state:CLOSE' \
            'readn:10 shutdown:wr readall close' 'reads=0 EOF, rst=no, keeps=peer'
    done
}

@test "CLOSE, reset by the peer before a byte was exchanged: it was established, so recorded" {
    for role in client server; do
        outcome fin-rst "$role" v4 'wait-state:CLOSE close' 'linger:1:0 close' \
            'reads=nothing, rst=yes, keeps=none, does=none state'
        us_in CLOSE
    done
}

@test "CLOSE, reset by the peer while drain waits: it waits no longer and claims no action" {
    for policy in drain:20000 drain-eof:20000; do
        outcome "$policy" client v4 "$STUFFED sync:$STEP.go close" \
            "wait-file:$STEP.go linger:1:0 sleep:30 close" \
            'reads=nothing, rst=yes, keeps=none, does=none state' "$SMALL"
    done
}
