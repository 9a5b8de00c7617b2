#!/usr/bin/env bats
# Closing in every state of the connection, under every policy: what the log says was done, and
# which states are left. RST is sent only in SYN_RECV, ESTABLISHED, FIN_WAIT1, FIN_WAIT2 and
# CLOSE_WAIT (fact 10 of the design); in the others no policy acts or waits. fin-rst's discarding of
# unread input is no action, and is done in every state.

load ../lib/helper
load ../lib/outcome
load ../lib/states

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
        new_port
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
    new_port
    # shellcheck disable=SC2034 # sockets reads it
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
