#!/usr/bin/env bats
# A port is taken over only where nobody is harmed: the peer in LAST_ACK, the peer that reads on
# in CLOSE_WAIT, a listener that comes later, and a packet filter that keeps the connection's
# state between the ends.

load ../lib/helper
load ../lib/badnet

ALL_PORTS='32768 60999'

# Each test's client has a port of its own: a listener that had it marks it for a minute.
prepare() {
    ONE=$((PORT + 11000))
}

clean_up() {
    few_ports "$ALL_PORTS"
}

few_ports() {
    echo "$1" >/proc/sys/net/ipv4/ip_local_port_range
}

# link_with RELAY-OPTION...: a link $N, and a server behind it by act's STEPS.
link_with() {
    need_tun
    N=$(link_number)
    open_link "$N" "$@"
    FAR=(nsenter --net="/proc/$(pid_of "relay$N")/ns/net")
    TO=10.99.$N.2:$PORT
}

# far_state: of the server's sockets, but the listener.
far_state() {
    "${FAR[@]}" ss -Htan exclude listening "sport = :$PORT" | cut -d' ' -f1 | sort | paste -sd' '
}

far_is() {
    [[ $(far_state) == "$1" ]]
}

client_is() {
    [[ $(states "$PORT" | grep client) == "client $1" ]]
}

# --- LAST_ACK ---

@test "the peer in LAST_ACK: our last ACK was lost once, and within a second it came again" {
    link_with --drop-fin-ack 1 --only near
    few_ports "$ONE $ONE"
    start server "${FAR[@]}" "$ACT" "listen:$TO" accept readn:5 readall close accept readn:5 \
        write:5 readall close
    wait_output server '^listen'
    NOTIMEWAIT_LOG=$LOG preload auto act "connect:$TO" write:5 close sleep:1300 "connect:$TO" \
        write:5 readn:5 close
    finish server
    [[ $(output_of server | grep -c 'readall 0 EOF') -eq 2 ]]
    [[ $(json recycled "$LOG" | paste -sd' ') == 'false true' ]]
}

@test "the peer still in LAST_ACK: the new connection comes to be, all was read" {
    link_with --drop-fin-ack all --only near
    few_ports "$ONE $ONE"
    start server "${FAR[@]}" "$ACT" "listen:$TO" accept readn:5 readall close accept readn:5 \
        write:5 close
    wait_output server '^listen'
    start us preload auto act "connect:$TO" write:5 close sleep:1300 "wait-file:$BATS_TEST_TMPDIR/again" \
        "connect:$TO" write:5 readn:5 "wait-file:$BATS_TEST_TMPDIR/end" close
    until_true 5000 far_is LAST-ACK
    touch "$BATS_TEST_TMPDIR/again"
    wait_output us '^readn 5' 10000
    touch "$BATS_TEST_TMPDIR/end"
    finish us
    [[ $(output_of server) == *'readall 0 EOF'*'readn 5'*'write 5'* ]]
}

# --- CLOSE_WAIT ---

# try_again POLICY: one connection from the only port; prints what connect() said.
try_again() {
    preload "$1" act "connect:$PORT" close >"$BATS_TEST_TMPDIR/again" || true
    head -n 1 "$BATS_TEST_TMPDIR/again"
}

@test "the peer in CLOSE_WAIT, reading on for long: never taken over, never reset" {
    few_ports "$ONE $ONE"
    start server act time-limit:100 "listen:$PORT" accept "wait-file:$BATS_TEST_TMPDIR/read:60000" \
        peername readall write:5 sleep:100 close
    wait_output server '^listen'
    preload auto act "connect:$PORT" write:1000 close
    until_true 5000 client_is FIN_WAIT2
    for _ in 1 2 3 4 5; do
        [[ $(try_again auto) == 'connect -1 EADDRNOTAVAIL' ]]
        [[ $(states "$PORT" | grep -c CLOSE_WAIT) -eq 1 ]]
        sleep 0.1
    done
    touch "$BATS_TEST_TMPDIR/read"
    finish server
    [[ $(output_of server) == *'peername 127.0.0.1:'$ONE*'readall 1000 EOF'*'write 5'* ]]
}

@test "the peer that has left CLOSE_WAIT is TIME_WAIT's: then it is taken over" {
    few_ports "$ONE $ONE"
    serve "$PORT" accept readall close accept readall close
    preload auto act "connect:$PORT" write:10 close
    until_true 5000 client_is TIME_WAIT
    sleep 0.1
    [[ $(try_again auto) == 'connect 0' ]]
    finish server
}

# --- a listener on the port ---

@test "a listener that comes later on a live client's port: both go on" {
    few_ports "$ONE $ONE"
    serve "$PORT" accept readn:5 "sync:$BATS_TEST_TMPDIR/1" readn:5 readall close
    start us preload auto act "connect:$PORT" write:5 "wait-file:$BATS_TEST_TMPDIR/2" write:5 close
    until_true 5000 test -e "$BATS_TEST_TMPDIR/1"
    start later act "listen:$ONE" accept readn:7 close # with SO_REUSEADDR
    wait_output later '^listen'
    few_ports "$ALL_PORTS"
    act "connect:$ONE" write:7 close
    finish later
    touch "$BATS_TEST_TMPDIR/2"
    finish us
    finish server
    [[ $(output_of later) == *'readn 7'* ]]
    [[ $(output_of server) == *'readn 5'*'readn 5'*'readall 0 EOF'* ]]
}

@test "a TIME_WAIT port that a listener has: not taken over, as without the library" {
    few_ports "$ONE $ONE"
    serve "$PORT" accept readall close
    preload auto act "connect:$PORT" write:5 close
    finish server
    serve "$PORT" "wait-file:$BATS_TEST_TMPDIR/end:20000"
    start later act "listen:$ONE" accept readn:7 close
    wait_output later '^listen'
    [[ $(try_again auto) == 'connect -1 EADDRNOTAVAIL' ]]
    few_ports "$ALL_PORTS"
    act "connect:$ONE" write:7 close
    finish later
    touch "$BATS_TEST_TMPDIR/end"
    finish server
}

# --- conntrack ---

@test "conntrack, which drops what is invalid, between two namespaces drops nothing" {
    need nft
    link_with
    "${FAR[@]}" nft -f - <<'END' || skip 'the kernel has no conntrack for nft'
table inet filter {
    chain input { type filter hook input priority 0; ct state invalid counter drop; }
    chain output { type filter hook output priority 0; ct state invalid counter drop; }
}
END
    few_ports '21000 21029'
    start server "${FAR[@]}" "$BUILD/tests/takeover" server "$PORT"
    wait_output server '^listen'
    # Three times as many connections as ports: two of three are recycled.
    preload auto "$BUILD/tests/takeover" client \
        "10.99.$N.2" "$PORT" 90 --parallel 5 --seconds 20 >"$BATS_TEST_TMPDIR/seen"
    cat "$BATS_TEST_TMPDIR/seen"
    grep -q '^connected=90 failed=0 .*finished=90 corrupt=0 broken=0 ' "$BATS_TEST_TMPDIR/seen"
    "${FAR[@]}" nft list ruleset >"$BATS_TEST_TMPDIR/rules"
    cat "$BATS_TEST_TMPDIR/rules"
    [[ $(grep -c 'packets 0 bytes 0 drop' "$BATS_TEST_TMPDIR/rules") -eq 2 ]]
}
