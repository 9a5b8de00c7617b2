#!/usr/bin/env bats
# Closing after a FIN, ours or both: FIN_WAIT1 and later, under every policy; `states` has the states
# before. RST is sent only in FIN_WAIT1 and FIN_WAIT2 here (fact 10 of the design).

load ../lib/helper
load ../lib/outcome
load ../lib/states

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
    outcome delay:1500 client v4 \
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
