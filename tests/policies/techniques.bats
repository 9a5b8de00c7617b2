#!/usr/bin/env bats
# examples/techniques as a user runs it: every technique with its packets, against both servers,
# and captures that are pcap files. That each packet is right is for packets.bats.

load ../lib/helper
load ../lib/badnet

prepare() {
    need_tun
    share_cpu # the counts are of each TIME_WAIT
    PCAP=$BATS_TEST_TMPDIR/pcap
}

# techniques ARG...: runs it, into $SHOWN.
techniques() {
    SHOWN=$BATS_TEST_TMPDIR/shown
    examples/techniques "${@:1:$#-1}" "$BUILD" ${!#} >"$SHOWN" 2>&1 3>&- ||
        { tail -n 30 "$SHOWN" && return 1; }
    awk 'length > 100 { print "too long: " $0; bad = 1 } END { exit bad }' "$SHOWN"
}

# section TITLE SERVER WHO: what is shown of that run over the link, each given by its first words.
section() {
    awk -v title="$1" -v server="  The server $2" -v who="  * By the $3" '
        /^[^ =]/ { in_title = index($0, title) == 1; in_server = in_run = 0 }
        /^  The server/ { in_server = in_title && index($0, server) == 1; in_run = 0 }
        /^  \* By / { in_run = in_server && index($0, who) == 1 }
        / connections on one host:/ { in_run = 0 }
        in_run' "$SHOWN"
}

# shows TITLE SERVER PATTERN...: in the section of the client's own code, or else of the policy,
# the connection begins as connections do, all 8 bytes arrived, and each pattern is found. On a
# busy machine a state that passes may be missed, and what races over the link may end otherwise
# (the server that reads once): patterns are not to name these.
shows() {
    local text pattern
    text=$(section "$1" "$2" client)
    [[ -n $text ]] || text=$(section "$1" "$2" policy)
    for pattern in ' 0\.0 --- SYN seq 0 -+> +[0-9.]+' \
        'PSH,ACK seq 1 ack 1 len 8 -+> +[0-9.]+' ': 8 of 8 bytes' 'The close took [0-9.]+ us' \
        "${@:3}"; do
        [[ ! $text =~ $pattern ]] || continue
        printf '%s, %s: not found: %s\n%s\n' "$1" "$2" "$pattern" "$text"
        return 1
    done
}

# captured NAME...: its captures of both servers are pcap files (RFC draft-ietf-opsawg-pcap) of
# whole packets, and those on one host hold all 30 connections.
captured() {
    local name file files=() hosts=0
    for name; do
        for file in "$PCAP/$name".{once,eof}.{own,policy}.{client,server,host}.pcap; do
            [[ $name != auto* || $file != *.own.* ]] || continue
            files+=("$file")
            [[ $file != *.host.pcap ]] || hosts=$((hosts + 1))
        done
    done
    [[ $(head -qc 24 "${files[@]}" | od -An -v -w24 -tx4 | sort -u) == \
        ' a1b2c3d4 00040002 00000000 00000000 00040000 00000065' ]]
    for file in "${files[@]}"; do
        "$BUILD/tests/packets" "$file" >"$file.packets"
    done
    [[ $(cat "$PCAP"/*.host.pcap.packets | grep -c ' > SYN 0 - 0$') -eq $((hosts * 30)) ]]
    rm "$PCAP"/*.packets
}

@test "1 to 4: their ladders, what is left, and the captures" {
    techniques --count 30 --pcap "$PCAP" 'plain abort sleep linger'
    shows 1. 'reads one' 'server: 4, 4: 8' '--- FIN,ACK seq 9 ack [12] -'
    shows 1. 'reads until' '4, 4, 0 \(EOF\)' 'client 1, server 0' \
        '<-- FIN,ACK seq 1 ack 10 -' '--- ACK seq 10 ack 2 -'
    shows 2. 'reads one' 'client 0, server 0' '--- RST,ACK seq 9 ack [12] -'
    shows 2. 'reads until' '4, 4, ECONNRESET' 'client 0, server 0' '--- RST,ACK seq 9 ack 1 -'
    shows 3. 'reads one' 'client 0, server 0' 'took [1-9][0-9]{3,}\.'
    shows 3. 'reads until' '4, 4, ECONNRESET' 'client 0, server 0' 'took [1-9][0-9]{3,}\.'
    shows 4. 'reads one' 'took [1-9][0-9]{4,}\.'
    shows 4. 'reads until' '4, 4, 0 \(EOF\)' 'client 1, server 0' 'took [1-9][0-9]{4,}\.'
    # Each state somewhere, on its side.
    for state in SYN_SENT ESTABLISHED FIN_WAIT1 TIME_WAIT gone; do
        grep -Eq "^ *$state +[0-9]" "$SHOWN"
    done
    for state in SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK gone; do
        grep -Eq " +[0-9.]+ +$state( |$)" "$SHOWN"
    done
    grep -Eq 'read (4, 4, )?(ECONNRESET|0 EOF)' "$SHOWN"
    grep -Eq '[ ,] close$' "$SHOWN"
    grep -Eq '^        ? 30  FIN +FIN +4, 4, 0 +client$' "$SHOWN"
    captured plain abort sleep linger
}

@test "5 and 6: their ladders, what is left, and why disconnect delivers" {
    techniques --count 30 --pcap "$PCAP" 'unread unread-race disconnect'
    shows 5. 'reads one' 'client 0, server 0' 'PSH,ACK seq 1 ack 9 len 1 -' 'RST,ACK seq 9 ack [23]'
    shows 5. 'reads until' '4, 4, ECONNRESET' '--- RST,ACK seq 9 ack 2 -'
    shows 5b. 'reads one' 'client 0, server 0' '--- RST(,ACK)? seq'
    shows 5b. 'reads until' 'client 0, server 0' '--- RST(,ACK)? seq'
    shows 6. 'reads until' '4, 4, 0 \(EOF\)' '--- (RST,)?ACK seq 10 ack [12] -'
    section 6. 'reads until' 'policy fin-rst' >"$BATS_TEST_TMPDIR/fin-rst"
    grep -q -- '--- RST seq 10 -' "$BATS_TEST_TMPDIR/fin-rst"
    grep -q '0 (EOF): 8 of 8 bytes. TIME_WAIT left: client 0, server 0' "$BATS_TEST_TMPDIR/fin-rst"
    grep -q '^Why does "disconnect" deliver everything?' "$SHOWN"
    captured unread unread-race disconnect
}

@test "7 and auto: their ladders, what is left, why there is no TIME_WAIT, and the summary" {
    techniques --count 30 --pcap "$PCAP" 'read-last auto auto-reply'
    shows 7. 'reads one' 'client 0, server 0' '<-- FIN,ACK seq 9 ack 9 -' '--- RST'
    shows 7. 'reads until' 'client 0, server 0' '4, 4, ECONNRESET' '--- RST,ACK seq 9 ack 9 -'
    shows 'The default policy, after a write' 'reads until' 'client 1, server 0' '4, 4, 0 \(EOF\)'
    shows 'The default policy, after the reply' 'reads until' 'client 1, server 0' '0 \(EOF\)'
    grep -q '^Why does the read-last close leave no TIME_WAIT on the server' "$SHOWN"
    grep -Eq '^  auto +auto +eof +[0-9.]+ +30 +0 +240   EOF x30$' "$SHOWN"
    grep -Eq '^  read-last +last-read +once +[0-9.]+ +0 +0 +240   4 x30$' "$SHOWN"
    captured read-last auto auto-reply
}

@test "over IPv6, one server, without the counts" {
    techniques -6 --count 0 --pcap "$PCAP" 'plain disconnect eof'
    shows 1. 'reads until' 'client 1, server 0'
    shows 6. 'reads until' '0 \(EOF\)'
    [[ $(find "$PCAP" -name '*.pcap' | wc -l) -eq 8 ]]
    # The packets begin with IPv6 headers: after the file's header and the first packet's.
    [[ $(od -An -tx1 -j40 -N1 "$PCAP/plain.eof.own.client.pcap") == ' 60' ]]
    [[ $(grep -Ec "^Summary|reads one" "$SHOWN") -eq 0 ]]
}

@test "it explains itself on a screen, and refuses what it does not know" {
    run examples/techniques --help
    [[ $status -eq 0 && $output == *--pcap* && ${#lines[@]} -lt 25 ]]
    local bad
    for bad in --bad '--count x' '--count' "$BUILD nonsense" /nonexistent ''; do
        # shellcheck disable=SC2086 # they are words
        run examples/techniques $bad
        echo "$bad: $output"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 ]]
    done
    run "$BUILD/examples/technique-client" --help
    [[ $status -eq 0 && $output == *--technique* && ${#lines[@]} -lt 25 ]]
    run "$BUILD/examples/technique-client" --technique none
    [[ $status -eq 2 && ${#lines[@]} -eq 1 ]]
}
