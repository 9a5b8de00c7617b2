#!/usr/bin/env bats
# The peer closes, or half-closes, first: we are in CLOSE_WAIT and close under each policy. The
# TIME_WAIT is the peer's; the question is what it still reads, and whether it keeps that.

load ../lib/helper
load ../lib/outcome

setup_file() {
    roomy_sndbuf
}

# after_peer POLICY BEFORE_EOF AFTER_EOF: the peer has written and closed. The outcome when we
# have not read its EOF, and when we have.
after_peer() {
    local variant
    for variant in v4 v6-nonblock v4-unlogged; do
        outcome "$1" client "$variant" 'readn:10 wait-state:CLOSE_WAIT close' \
            'write:10 close' "$2"
        outcome "$1" client "$variant" 'readn:10 wait-state:CLOSE_WAIT read:1 close' \
            'write:10 close' "$3"
    done
    outcome "$1" server v4 'readn:10 wait-state:CLOSE_WAIT close' 'write:10 close' "$2"
}

# keeps_reading POLICY AFTER_WRITE AFTER_EOF: the peer has half-closed and reads on. The outcome
# when our last operation is a write, and when it is the read of the peer's EOF.
keeps_reading() {
    local role
    for role in client server; do
        outcome "$1" "$role" v4 'wait-state:CLOSE_WAIT read:1 write:1000 close' \
            'shutdown:wr readall close' "$2"
        outcome "$1" "$role" v6-nonblock \
            'wait-state:CLOSE_WAIT write:1000 read:1 wait-acked close' \
            'shutdown:wr readall close' "$3"
        outcome "$1" "$role" v4-unlogged 'wait-state:CLOSE_WAIT read:1 write:1000 close' \
            'shutdown:wr readall close' "$2"
    done
}

@test "off: the peer has closed" {
    after_peer off 'reads=nothing, rst=no, keeps=peer, does=none off' \
        'reads=nothing, rst=no, keeps=peer, does=none off'
}

@test "auto: the peer has closed" {
    after_peer auto 'reads=nothing, rst=no, keeps=peer, does=none plain' \
        'reads=nothing, rst=no, keeps=peer, does=none plain'
}

@test "fin-rst: the peer has closed" {
    after_peer fin-rst 'reads=nothing, rst=no, keeps=peer, does=fin-rst passive-close' \
        'reads=nothing, rst=no, keeps=peer, does=fin-rst passive-close'
}

@test "last-read: the peer has closed" {
    after_peer last-read 'reads=nothing, rst=yes, keeps=none, does=rst read-last' \
        'reads=nothing, rst=yes, keeps=none, does=rst eof-last'
}

@test "drain: the peer has closed" {
    after_peer drain 'reads=nothing, rst=yes, keeps=none, does=rst drained' \
        'reads=nothing, rst=yes, keeps=none, does=rst drained'
}

@test "drain-eof:60000: the peer has closed: no wait" {
    after_peer drain-eof:60000 'reads=nothing, rst=yes, keeps=none, does=rst peer-eof' \
        'reads=nothing, rst=yes, keeps=none, does=rst peer-eof'
}

@test "abort: the peer has closed" {
    after_peer abort 'reads=nothing, rst=yes, keeps=none, does=rst abort' \
        'reads=nothing, rst=yes, keeps=none, does=rst abort'
}

@test "delay:20: the peer has closed" {
    after_peer delay:20 'reads=nothing, rst=yes, keeps=none, does=rst delayed' \
        'reads=nothing, rst=yes, keeps=none, does=rst delayed'
}

@test "linger:2: the peer has closed" {
    after_peer linger:2 'reads=nothing, rst=no, keeps=peer, does=linger linger' \
        'reads=nothing, rst=no, keeps=peer, does=linger linger'
}

@test "off: the peer has half-closed and reads on" {
    keeps_reading off 'reads=1000 EOF, rst=no, keeps=peer, does=none off' \
        'reads=1000 EOF, rst=no, keeps=peer, does=none off'
}

@test "auto: the peer has half-closed and reads on" {
    keeps_reading auto 'reads=1000 EOF, rst=no, keeps=peer, does=none plain' \
        'reads=1000 EOF, rst=no, keeps=peer, does=none plain'
}

@test "fin-rst: the peer has half-closed and reads on" {
    keeps_reading fin-rst 'reads=1000 EOF, rst=no, keeps=peer, does=fin-rst passive-close' \
        'reads=1000 EOF, rst=no, keeps=peer, does=fin-rst passive-close'
}

@test "last-read: the peer has half-closed and reads on" {
    keeps_reading last-read 'reads=1000 EOF, rst=no, keeps=peer, does=none not-read-last' \
        'reads=1000 ECONNRESET, rst=yes, keeps=none, does=rst eof-last'
}

@test "drain: the peer has half-closed and reads on: ECONNRESET in place of EOF" {
    keeps_reading drain 'reads=1000 ECONNRESET, rst=yes, keeps=none, does=rst drained' \
        'reads=1000 ECONNRESET, rst=yes, keeps=none, does=rst drained'
}

@test "drain-eof: the peer has half-closed and reads on: ECONNRESET in place of EOF" {
    keeps_reading drain-eof 'reads=1000 ECONNRESET, rst=yes, keeps=none, does=rst peer-eof' \
        'reads=1000 ECONNRESET, rst=yes, keeps=none, does=rst peer-eof'
}

@test "abort: the peer has half-closed and reads on: ECONNRESET in place of EOF" {
    keeps_reading abort 'reads=1000 ECONNRESET, rst=yes, keeps=none, does=rst abort' \
        'reads=1000 ECONNRESET, rst=yes, keeps=none, does=rst abort'
}

@test "delay:20: the peer has half-closed and reads on: ECONNRESET in place of EOF" {
    keeps_reading delay:20 'reads=1000 ECONNRESET, rst=yes, keeps=none, does=rst delayed' \
        'reads=1000 ECONNRESET, rst=yes, keeps=none, does=rst delayed'
}

@test "linger:2: the peer has half-closed and reads on" {
    keeps_reading linger:2 'reads=1000 EOF, rst=no, keeps=peer, does=linger linger' \
        'reads=1000 EOF, rst=no, keeps=peer, does=linger linger'
}

# long_reply POLICY EXPECTED: after the peer's half-close we write 4 MB, more than it takes, and
# close before it reads.
long_reply() {
    outcome "$1" server v4 \
        "wait-state:CLOSE_WAIT read:1 nonblock write:4000000 close sync:$STEP.closed" \
        "rcvbuf:16384 shutdown:wr wait-file:$STEP.closed readall close" "$2"
}

@test "a reply of 4 MB to a peer that has half-closed arrives in full, with EOF" {
    long_reply off 'reads=4000000 EOF, rst=no, keeps=peer, does=none off'
    long_reply auto 'reads=4000000 EOF, rst=no, keeps=peer, does=none plain'
    long_reply fin-rst 'reads=4000000 EOF, rst=no, keeps=peer, does=fin-rst passive-close'
    long_reply last-read 'reads=4000000 EOF, rst=no, keeps=peer, does=none not-read-last'
    long_reply drain:50 'reads=4000000 EOF, rst=no, keeps=peer, does=none drain-timeout'
    long_reply drain-eof:50 'reads=4000000 EOF, rst=no, keeps=peer, does=none drain-timeout'
    long_reply linger:1 'reads=4000000 EOF, rst=no, keeps=peer, does=linger linger'
}

@test "last-read: a reply of 4 MB that is not acknowledged is not aborted by the read of EOF" {
    outcome last-read server v4 \
        "wait-state:CLOSE_WAIT nonblock write:4000000 read:1 close sync:$STEP.closed" \
        "rcvbuf:16384 shutdown:wr wait-file:$STEP.closed readall close" \
        'reads=4000000 EOF, rst=no, keeps=peer, does=none unacked'
}
