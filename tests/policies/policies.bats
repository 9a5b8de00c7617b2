#!/usr/bin/env bats
# Every policy against a live peer that reads to the end: who keeps TIME_WAIT, what the peer's
# read() returned, and what the log says. `outcome.bash` has the words.

load ../lib/helper
load ../lib/outcome

# after_write POLICY EXPECTED: we write and close.
after_write() {
    local variant
    for variant in "${VARIANTS[@]}"; do
        outcome "$1" client "$variant" 'write:1000 close' 'readall close' "$2"
    done
}

# after_reply POLICY EXPECTED: a request, its reply, and we close: our last operation is a read.
after_reply() {
    local variant
    for variant in v4 v6-nonblock v4-unlogged; do
        outcome "$1" client "$variant" 'write:100 readn:50 close' \
            'readn:100 write:50 readall close' "$2"
    done
}

# as_server POLICY EXPECTED: we are the server, reply, and close first.
as_server() {
    local variant
    for variant in v4 v6-nonblock v4-unlogged; do
        outcome "$1" server "$variant" 'readn:100 write:50 close' \
            'write:100 readn:50 readall close' "$2"
    done
}

@test "without the library, after a write, after the reply, and as the server: as under off" {
    outcome none client v4 'write:1000 close' 'readall close' \
        'reads=1000 EOF, rst=no, keeps=us, does=no record'
    outcome none client v6 'write:100 readn:50 close' 'readn:100 write:50 readall close' \
        'reads=0 EOF, rst=no, keeps=us, does=no record'
    outcome none server v4 'readn:100 write:50 close' 'write:100 readn:50 readall close' \
        'reads=0 EOF, rst=no, keeps=us, does=no record'
}

@test "off, after a write" {
    after_write off 'reads=1000 EOF, rst=no, keeps=us, does=none off'
}

@test "auto, after a write" {
    after_write auto 'reads=1000 EOF, rst=no, keeps=us, does=none plain'
}

@test "fin-rst, after a write" {
    after_write fin-rst 'reads=1000 EOF, rst=yes, keeps=none, does=fin-rst armed'
}

@test "last-read, after a write" {
    after_write last-read 'reads=1000 EOF, rst=no, keeps=us, does=none not-read-last'
}

@test "drain, after a write" {
    after_write drain 'reads=1000 ECONNRESET, rst=yes, keeps=none, does=rst drained'
}

@test "drain:500, after a write" {
    after_write drain:500 'reads=1000 ECONNRESET, rst=yes, keeps=none, does=rst drained'
}

@test "drain-eof:300, after a write: the peer waits for us, too" {
    after_write drain-eof:300 'reads=1000 EOF, rst=no, keeps=us, does=none drain-timeout'
}

@test "abort, after a write" {
    after_write abort 'reads=1000 ECONNRESET, rst=yes, keeps=none, does=rst abort'
}

@test "delay:20, after a write" {
    after_write delay:20 'reads=1000 ECONNRESET, rst=yes, keeps=none, does=rst delayed'
}

@test "linger:2, after a write" {
    after_write linger:2 'reads=1000 EOF, rst=no, keeps=us, does=linger linger'
}

@test "off, after the reply" {
    after_reply off 'reads=0 EOF, rst=no, keeps=us, does=none off'
}

@test "auto, after the reply" {
    after_reply auto 'reads=0 EOF, rst=no, keeps=us, does=none plain'
}

@test "fin-rst, after the reply" {
    after_reply fin-rst 'reads=0 EOF, rst=yes, keeps=none, does=fin-rst armed'
}

@test "last-read, after the reply" {
    after_reply last-read 'reads=0 ECONNRESET, rst=yes, keeps=none, does=rst read-last'
}

@test "drain, after the reply" {
    after_reply drain 'reads=0 ECONNRESET, rst=yes, keeps=none, does=rst drained'
}

@test "drain:500, after the reply" {
    after_reply drain:500 'reads=0 ECONNRESET, rst=yes, keeps=none, does=rst drained'
}

@test "drain-eof:300, after the reply: the peer waits for us, too" {
    after_reply drain-eof:300 'reads=0 EOF, rst=no, keeps=us, does=none drain-timeout'
}

@test "abort, after the reply" {
    after_reply abort 'reads=0 ECONNRESET, rst=yes, keeps=none, does=rst abort'
}

@test "delay:20, after the reply" {
    after_reply delay:20 'reads=0 ECONNRESET, rst=yes, keeps=none, does=rst delayed'
}

@test "linger:2, after the reply" {
    after_reply linger:2 'reads=0 EOF, rst=no, keeps=us, does=linger linger'
}

@test "off, as the server that closes first" {
    as_server off 'reads=0 EOF, rst=no, keeps=us, does=none off'
}

@test "auto, as the server that closes first" {
    as_server auto 'reads=0 EOF, rst=no, keeps=us, does=none plain'
}

@test "fin-rst, as the server that closes first" {
    as_server fin-rst 'reads=0 EOF, rst=yes, keeps=none, does=fin-rst armed'
}

@test "last-read, as the server that closes first" {
    as_server last-read 'reads=0 EOF, rst=no, keeps=us, does=none not-read-last'
}

@test "drain, as the server that closes first" {
    as_server drain 'reads=0 ECONNRESET, rst=yes, keeps=none, does=rst drained'
}

@test "drain-eof:300, as the server that closes first" {
    as_server drain-eof:300 'reads=0 EOF, rst=no, keeps=us, does=none drain-timeout'
}

@test "abort, as the server that closes first" {
    as_server abort 'reads=0 ECONNRESET, rst=yes, keeps=none, does=rst abort'
}

@test "delay:20, as the server that closes first" {
    as_server delay:20 'reads=0 ECONNRESET, rst=yes, keeps=none, does=rst delayed'
}

@test "linger:2, as the server that closes first" {
    as_server linger:2 'reads=0 EOF, rst=no, keeps=us, does=linger linger'
}

@test "fin-rst is armed at birth, the others are not" {
    for policy in "${POLICIES[@]}"; do
        armed=60 # s, the kernel's tcp_fin_timeout
        [[ $policy != fin-rst ]] || armed=-1
        for role in client server; do
            meet "$policy" "$role" v4 'getlinger getlinger2 close' 'readall'
            ended
            same "$policy $role" "$(output_of us | grep getlinger | paste -sd' ')" \
                "getlinger 0:0 getlinger2 $armed"
        done
    done
}

# late_write POLICY STATE EXPECTED: the peer reads to the end and until its socket is in STATE,
# and writes twice: what the writes do, and how often SIGPIPE comes.
late_write() {
    meet "$1" client v4 'write:10 close' \
        "readall wait-state:$2 sigpipe-count write:1 wait-state:CLOSE write:1 sigpipe-count"
    ended
    same "$1" "$(output_of peer | sed -n '/^sigpipe-count 0/,$p' | paste -sd' ')" "$3"
}

@test "a peer that writes after our plain close succeeds once, then gets EPIPE and SIGPIPE" {
    for policy in off auto; do
        late_write "$policy" CLOSE_WAIT \
            'sigpipe-count 0 write 1 wait-state CLOSE write -1 EPIPE sigpipe-count 1'
    done
}

@test "a peer that writes after FIN and RST, or RST, gets EPIPE and SIGPIPE at once" {
    for policy in fin-rst drain abort; do
        late_write "$policy" CLOSE \
            'sigpipe-count 0 write -1 EPIPE wait-state CLOSE write -1 EPIPE sigpipe-count 2'
    done
}

@test "a peer that polls sees FIN as IN and RDHUP, with RST as ERR and HUP, too, and reads EOF" {
    polls() {
        meet "$1" client v4 'write:10 close' \
            "wait-state:$2 poll:in+rdhup:0 readn:10 read:1 read:1"
        ended
        same "$1" "$(output_of peer | tail -n 4 | paste -sd' ')" "poll 1 $3 readn 10 read 0 read 0"
    }
    polls fin-rst CLOSE 'IN|RDHUP|ERR|HUP'
    polls auto CLOSE_WAIT 'IN|RDHUP'
}

@test "delay:200 closes 200 ms late" {
    meet delay:200 client v4 'write:10 close-timed' 'readall close'
    ended
    [ "$(output_of us | sed -n 's/^close-timed 0 us=//p')" -ge 200000 ]
    [ "$(jq '.close_us >= 200000' "$LOG")" = true ]
}

@test "drain and linger wait no longer than for the acknowledgement" {
    outcome drain:60000 client v4 'write:10 close' 'readall close' \
        'reads=10 ECONNRESET, rst=yes, keeps=none, does=rst drained'
    outcome linger:60 client v4 'write:10 close' 'readall close' \
        'reads=10 EOF, rst=no, keeps=us, does=linger linger'
}

@test "drain-eof waits no longer than for the peer's FIN" {
    outcome drain-eof:60000 client v4 'write:10 close' 'readn:10 write:1000 close' \
        'reads=nothing, rst=yes, keeps=none, does=rst peer-eof'
}
