#!/usr/bin/env bats
# What a close does to 4 MB that the peer has not received: which policies deliver all of it,
# whether close waits for that, and what the lossy ones lose.

load ../lib/helper
load ../lib/outcome

SIZE=4000000

setup_file() {
    roomy_sndbuf
}

# One non-blocking write; close returned while the peer, with a small buffer, has read nothing.
UNSENT="nonblock write:$SIZE close-timed sync:$STEP.closed"
READS_LATER="wait-file:$STEP.closed:20000 readall close"
SMALL=(socket rcvbuf:16384)
SMALL6=(socket:tcp6 rcvbuf:16384)

# unsent POLICY EXPECTED: over IPv4 and IPv6, logged or not.
unsent() {
    outcome "$1" client v4 "$UNSENT" "$READS_LATER" "$2" "${SMALL[*]}"
    [ "$(jq '.unacked > 3000000' "$LOG")" = true ]
    outcome "$1" client v4-unlogged "$UNSENT" "$READS_LATER" "$2" "${SMALL[*]}"
    outcome "$1" client v6 "$UNSENT" "$READS_LATER" "$2" "${SMALL6[*]}"
}

# closed_us: how long our close took.
closed_us() {
    output_of us | sed -n 's/^close-timed 0 us=//p'
}

@test "off: close returns before anything is read, then every byte and EOF arrive" {
    unsent off "reads=$SIZE EOF, rst=no, keeps=us, does=none off"
}

@test "auto: close returns before anything is read, then every byte and EOF arrive" {
    unsent auto "reads=$SIZE EOF, rst=no, keeps=us, does=none plain"
}

@test "fin-rst: close returns before anything is read, then every byte and EOF arrive" {
    unsent fin-rst "reads=$SIZE EOF, rst=yes, keeps=none, does=fin-rst armed"
}

@test "last-read: close returns before anything is read, then every byte and EOF arrive" {
    unsent last-read "reads=$SIZE EOF, rst=no, keeps=us, does=none not-read-last"
}

@test "last-read: not even after a read does it abort what is unacknowledged" {
    outcome last-read client v4 "nonblock write:$SIZE readn:5 close sync:$STEP.closed" \
        "write:5 $READS_LATER" "reads=$SIZE EOF, rst=no, keeps=us, does=none unacked" \
        "${SMALL[*]}"
}

@test "drain:100 gives up after 100 ms, then every byte and EOF arrive" {
    unsent drain:100 "reads=$SIZE EOF, rst=no, keeps=us, does=none drain-timeout"
    [ "$(closed_us)" -ge 100000 ]
    [ "$(closed_us)" -lt 5000000 ]
}

@test "drain:0 does not wait at all, then every byte and EOF arrive" {
    unsent drain:0 "reads=$SIZE EOF, rst=no, keeps=us, does=none drain-timeout"
}

@test "drain-eof:100 gives up after 100 ms, then every byte and EOF arrive" {
    unsent drain-eof:100 "reads=$SIZE EOF, rst=no, keeps=us, does=none drain-timeout"
    [ "$(closed_us)" -ge 100000 ]
    [ "$(closed_us)" -lt 5000000 ]
}

@test "linger:2 gives up after two seconds, then every byte and EOF arrive" {
    outcome linger:2 client v4 "$UNSENT" "$READS_LATER" \
        "reads=$SIZE EOF, rst=no, keeps=us, does=linger linger" "${SMALL[*]}"
    [ "$(closed_us)" -ge 1900000 ]
}

@test "a slow reader gets every byte; only drain and linger wait for it" {
    # It cannot be done in less than 600 ms: 62 reads or more, a pause of 10 ms before each.
    slow='readslow:65536:10 close'
    buffer='socket rcvbuf:65536'
    for policy in off auto fin-rst; do
        begun=${EPOCHREALTIME/./}
        meet "$policy" client v4 "nonblock write:$SIZE close-timed" "$slow" "$buffer"
        ended
        same "$policy" "$(seen | cut -d, -f1)" "reads=$SIZE EOF"
        [ "$(closed_us)" -lt $(((${EPOCHREALTIME/./} - begun) / 2)) ]
    done
    outcome drain:20000 client v4 "nonblock write:$SIZE close-timed" "$slow" \
        "reads=$SIZE ECONNRESET, rst=yes, keeps=none, does=rst drained" "$buffer"
    [ "$(closed_us)" -ge 400000 ]
    outcome linger:20 client v4 "nonblock write:$SIZE close-timed" "$slow" \
        "reads=$SIZE EOF, rst=no, keeps=us, does=linger linger" "$buffer"
    [ "$(closed_us)" -ge 400000 ]
}

@test "blocking writes into a small buffer: every byte arrives" {
    for policy in off auto fin-rst last-read drain:20000 drain-eof:50 linger:20; do
        end=EOF
        [[ $policy != drain:* ]] || end=ECONNRESET
        meet "$policy" client v4 'sndbuf:65536 writen:1000000 close' 'readslow:65536:2 close' \
            "${SMALL[*]}"
        ended
        same "$policy" "$(seen | cut -d, -f1)" "reads=1000000 $end"
    done
}

@test "drain reads, so that a peer that writes before it reads is not stuck" {
    # Each has more to send than fits: were ours not read, the peer would never read.
    outcome drain:20000 client v4 "nonblock write:$SIZE close" \
        'sndbuf:16384 writen:500000 readall close' \
        "reads=$SIZE ECONNRESET, rst=yes, keeps=none, does=rst drained" "${SMALL[*]}"
    [[ $(output_of peer) == *'writen 500000'* ]]
    outcome drain-eof:20000 client v4 "nonblock write:$SIZE close" \
        "sndbuf:16384 writen:500000 readn:$SIZE shutdown:wr readall close" \
        'reads=0 ECONNRESET, rst=yes, keeps=none, does=rst peer-eof' "${SMALL[*]}"
    [[ $(output_of peer) == *'writen 500000'*"readn $SIZE"* ]]
}

@test "close is as quick under auto and fin-rst as without, in the median of 21" {
    serve "$PORT" "wait-file:$STEP.closed:20000" loop:63 accept readall close end
    for policy in off auto fin-rst; do
        steps=()
        for ((i = 0; i < 21; i++)); do
            steps+=(use:b "connect:$PORT" nonblock write:100000 close-timed)
        done
        preload "$policy" act "${steps[@]}" >"$BATS_TEST_TMPDIR/$policy"
        median[${#median[@]}]=$(sed -n 's/^close-timed 0 us=//p' "$BATS_TEST_TMPDIR/$policy" |
            sort -n | sed -n 11p)
    done
    touch "$STEP.closed"
    finish server
    echo "off, auto, fin-rst in us: ${median[*]}"
    # Generous: it is to show a wait, not a system call.
    for i in 1 2; do
        [ "${median[i]}" -lt $((10 * median[0] + 2000)) ]
    done
}

# lossy POLICY REASON: what is queued at the peer stays readable, what was not sent is lost.
lossy() {
    meet "$1" client v4 "nonblock write:$SIZE wait-file:$STEP.arrived close sync:$STEP.closed" \
        "wait-unread:1 sync:$STEP.arrived wait-file:$STEP.closed wait-state:CLOSE unread readall close" \
        "${SMALL[*]}"
    ended
    queued=$(output_of peer | sed -n 's/^unread //p')
    same "$1" "$(seen)" "reads=$queued ECONNRESET, rst=yes, keeps=none, does=rst $2"
    [ "$queued" -gt 0 ]
    [ "$queued" -lt "$SIZE" ]
}

@test "abort: what is queued at the peer is read, the rest is lost" {
    lossy abort abort
}

@test "delay:50, too short: what is queued at the peer is read, the rest is lost" {
    lossy delay:50 delayed
}

@test "delay:1000, long enough for this reader: every byte arrives, then ECONNRESET" {
    outcome delay:1000 client v4 "nonblock write:$SIZE close" 'readall close' \
        "reads=$SIZE ECONNRESET, rst=yes, keeps=none, does=rst delayed"
}

@test "a peer that writes after our close and has not read all loses the rest, as under off" {
    for policy in off auto fin-rst; do
        meet "$policy" client v4 "$UNSENT" \
            "wait-unread:1 wait-file:$STEP.closed write:10 wait-state:CLOSE readall close" \
            "${SMALL[*]}"
        ended
        got=$(output_of peer | sed -n 's/^readall //p')
        [ "${got#* }" = ECONNRESET ]
        [ "${got% *}" -gt 0 ]
        [ "${got% *}" -lt "$SIZE" ]
    done
}
