#!/usr/bin/env bats
# Every packet of a connection under `auto` is the one that is sent without the library, in the
# same order and of the same length, whatever state the connection is closed in; also where its
# port is a recycled one. `packets.bash` has the words; packets.bats says what the packets are.
# shellcheck disable=SC2034 # `meet` uses them

load ../lib/helper
load ../lib/packets
load ../lib/badnet

setup_file() {
    echo '4096 16777216 33554432' >/proc/sys/net/ipv4/tcp_wmem
}

# packets POLICY ADDRESS: those of a connection, and who is left in TIME_WAIT; or all as `none`.
packets() {
    meet "$1" "$2"
    see_to_the_end >"$BATS_TEST_TMPDIR/ends" || { cat "$BATS_TEST_TMPDIR/ends" && return 1; }
    left && wire
}

# same_packets [CMD...]: with and without the library, over IPv4 and IPv6; CMD picks what is
# compared.
same_packets() {
    local address plain ours
    [[ $# -gt 0 ]] || set -- cat
    for address in "${FAMILIES[@]}"; do
        plain=$(packets none "$address" | "$@")
        [[ $plain == *FIN* || $plain == *RST* ]]
        ours=$(packets auto "$address" | "$@")
        diff -U 20 <(echo "$plain") <(echo "$ours") && continue
        echo "$address: without the library (-), auto (+)"
        return 1
    done
}

# --- ESTABLISHED ---

@test "ESTABLISHED, all acknowledged, nothing unread: as client and as server" {
    for ROLE in client server; do
        OURS="readn:8 wait-file:$STEP.1 write:100 wait-acked close"
        THEIRS="write:8 wait-acked sync:$STEP.1 readall wait-file:$STEP.go close"
        same_packets
    done
}

@test "ESTABLISHED, nothing was ever sent" {
    for ROLE in client server; do
        OURS='close'
        THEIRS="readall wait-file:$STEP.go close"
        same_packets
    done
}

@test "ESTABLISHED, with unread input: bytes, many bytes, an urgent byte" {
    local sends
    for ROLE in client server; do
        for sends in write:1 write:30000 oob:1; do
            OURS="wait-file:$STEP.1 write:8 wait-acked close"
            THEIRS="$sends wait-acked sync:$STEP.1 readn:8 readall wait-file:$STEP.go close"
            same_packets
        done
    done
}

@test "ESTABLISHED, with unsent data: the FIN carries it" {
    for ROLE in client server; do
        OURS='write:8 wait-acked cork write:100 close'
        THEIRS="readn:108 readall wait-file:$STEP.go close"
        same_packets
    done
}

@test "ESTABLISHED, with unsent data and unread input: it is dropped, as ever" {
    ROLE=client
    OURS="wait-file:$STEP.1 cork write:100 close"
    THEIRS="write:1 wait-acked sync:$STEP.1 readall wait-file:$STEP.go close"
    same_packets
}

# Where the window is full, the sizes of segments depend on when the peer reads.
whole() {
    awk '/^left/ { print; next }
         { sub(/PSH,/, "", $2) }
         $2 ~ /FIN|SYN|RST/ { seen[$1 " " $2]++ }
         $3 + $5 > most[$1] { most[$1] = $3 + $5 }
         END { for (what in seen) print what, seen[what]
               for (side in most) print side, most[side] }' | sort
}

@test "ESTABLISHED, 4 MB unsent behind a full window" {
    ROLE=client
    OURS="write:4000000 sync:$STEP.1 close"
    THEIRS="wait-file:$STEP.1 sleep:50 readall wait-file:$STEP.go close"
    same_packets whole
}

# --- other states ---

@test "CLOSE_WAIT: the peer's end was read, or was not, or input before it was not" {
    local before
    for ROLE in client server; do
        for before in "readall wait-file:$STEP.acked" "wait-file:$STEP.acked" \
            "wait-file:$STEP.acked write:100 wait-state:CLOSE"; do
            OURS="$before close"
            THEIRS='close'
            same_packets
        done
        OURS="wait-state:CLOSE_WAIT wait-file:$STEP.acked close"
        THEIRS='write:100 wait-acked shutdown:wr readall close'
        same_packets
    done
}

@test "half-closed by us, the peer's end read or not yet come" {
    for ROLE in client server; do
        OURS='write:8 wait-acked shutdown:wr wait-state:FIN_WAIT2 close'
        THEIRS="readn:8 readall wait-file:$STEP.go close"
        same_packets
        OURS='shutdown:wr readall sleep:100 close'
        THEIRS='readall sleep:100 close'
        same_packets
    done
}

@test "SO_LINGER of the program's own, resetting and waiting" {
    local seconds
    for seconds in 0 5; do
        ROLE=client
        OURS="linger:1:$seconds write:8 wait-acked close"
        THEIRS="readn:8 readall wait-file:$STEP.go close"
        same_packets
    done
}

@test "the end of the process closes: exit(), and by SIGKILL" {
    local end
    for end in 'exit' 'kill:KILL'; do
        ROLE=client
        OURS="write:8 wait-acked $end"
        THEIRS="readn:8 readall wait-file:$STEP.go close"
        same_packets
    done
}

# --- simultaneous close ---

# crossing POLICY: the packets near us of two FINs that cross; each waits for the other.
crossing() {
    local n library=()
    [[ $1 == none ]] || library=(env "LD_PRELOAD=$LIB" "NOTIMEWAIT_POLICY=$1")
    n=$(link_number)
    new_port
    rm -f "$STEP".*
    RTO_MIN=2s open_link "$n" --cross 2000 >/dev/null
    start capture "$CAPTURE" "bad$n" "$BATS_TEST_TMPDIR/wire.pcap"
    wait_output capture '^ready'
    start theirs nsenter --net="/proc/$(pid_of "relay$n")/ns/net" "$ACT" "listen:10.99.$n.2:$PORT" \
        accept readn:8 "sync:$STEP.1" "wait-file:$STEP.go" close
    wait_output theirs '^listen'
    start ours "${library[@]}" "$ACT" "connect:10.99.$n.2:$PORT" write:8 wait-acked \
        "wait-file:$STEP.1" "wait-file:$STEP.go" close
    until_true 10000 test -e "$STEP.1"
    sleep 0.1
    touch "$STEP.go"
    finish ours >/dev/null
    finish theirs >/dev/null
    settle "$PORT" && sleep 0.2
    left && wire
    close_link "$n" >/dev/null
}

@test "simultaneous close: the FINs cross" {
    need_tun
    plain=$(crossing none)
    [[ $(grep -c FIN <<<"$plain") -eq 2 && $plain == *'left client'* ]]
    diff <(echo "$plain") <(crossing auto)
}

# --- recycled ports ---

@test "on a recycled port: the same packets, from the SYN on" {
    local ports plain
    ports=$(</proc/sys/net/ipv4/ip_local_port_range)
    ROLE=client
    OURS='write:8 wait-acked close'
    THEIRS="readn:8 readall wait-file:$STEP.go close"
    plain=$(packets none 127.0.0.1)
    new_port() { PORT=19000; }
    echo 21000 21000 >/proc/sys/net/ipv4/ip_local_port_range
    for _ in 1 2 3; do
        export NOTIMEWAIT_LOG=$LOG
        diff <(echo "$plain") <(packets auto 127.0.0.1)
    done
    echo "$ports" >/proc/sys/net/ipv4/ip_local_port_range
    [[ $(json recycled "$LOG" | sort | uniq -c | xargs) == '1 false 2 true' ]]
}
