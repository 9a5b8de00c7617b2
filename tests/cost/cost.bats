# System calls that the library adds (design, section 6), counted by strace, not timed.
load ../lib/helper

before=() # steps that come first, once

# calls POLICY N STEP...: how many system calls a client makes that does the steps N times.
# POLICY none: without the library.
calls() {
    local trace=$BATS_TEST_TMPDIR/trace policy=$1 n=$2
    local preload=(-E "LD_PRELOAD=$LIB" -E "NOTIMEWAIT_POLICY=$policy")
    [[ $policy != none ]] || preload=()
    shift 2
    strace -qq -o "$trace" "${preload[@]}" "$ACT" "${before[@]}" "loop:$n" "$@" end >/dev/null
    grep -c '(' "$trace"
}

# adds WANTED POLICY STEP...: the library adds WANTED system calls to each round of the steps,
# by the slope from 10 to 30 rounds.
adds() {
    local wanted=$1 policy=$2 added
    shift 2
    added=$(($(calls "$policy" 30 "$@") - $(calls "$policy" 10 "$@") -
        $(calls none 30 "$@") + $(calls none 10 "$@")))
    echo "$policy: $* -> $added in 20 rounds, $((20 * wanted)) wanted"
    [[ $added -eq $((20 * wanted)) ]]
}

echo_server() {
    serve "$PORT" loop:1000 accept readn:10 write:10 readall close end
}

@test "non-TCP: open, read, write, dup, close of files, pipes, UDP and UNIX sockets add nothing" {
    adds 0 auto open:/dev/zero read:10 dup:x close@x close
    adds 0 auto pipe:x write:10@x read:10 close close@x
    adds 0 auto socket:udp close
    adds 0 auto socketpair:x write:10@x read:10 close close@x
    adds 0 fin-rst open:/dev/zero read:10 dup:x close@x close
    adds 0 fin-rst socketpair:x write:10@x read:10 close close@x
    adds 0 abort socket:udp connect:"$PORT" close
    adds 0 drain socketpair:x close close@x
}

@test "a TCP socket that is never connected adds nothing" {
    adds 0 auto socket close
    adds 0 abort socket close
}

@test "off adds nothing to a connection" {
    echo_server
    adds 0 off "connect:$PORT" write:10 readn:10 close
}

@test "auto: 1 at birth (SO_REUSEADDR), 0 at close; without recycling none" {
    echo_server
    adds 1 auto "connect:$PORT" write:10 readn:10 close
    NOTIMEWAIT_RECYCLE=off adds 0 auto "connect:$PORT" write:10 readn:10 close
    NOTIMEWAIT_RECYCLE='' adds 1 reap "connect:$PORT" write:10 readn:10 close
}

@test "fin-rst: 2 at birth (TCP_LINGER2, SO_REUSEADDR), 1 at close (ppoll)" {
    echo_server
    adds 3 fin-rst "connect:$PORT" write:10 readn:10 close
}

@test "fin-rst: 1 more (SIOCINQ) where the peer has closed first, and nothing is unread" {
    serve "$PORT" loop:1000 accept readn:10 close end
    adds 4 fin-rst "connect:$PORT" write:10 readall close
}

@test "accept: nothing under off and auto, 1 at birth and 1 at close under fin-rst" {
    before=("listen:$PORT")
    export NOTIMEWAIT_RULES='role=client => off'
    adds 0 off "connect:$PORT@b" accept close readall@b close@b
    adds 0 auto "connect:$PORT@b" accept close readall@b close@b
    adds 2 fin-rst "connect:$PORT@b" accept close readall@b close@b
}

@test "the others: 3 at birth (SO_REUSEADDR, SO_COOKIE, SO_PROTOCOL), at most 8 at close" {
    echo_server
    # getpid, SO_COOKIE, TCP_INFO, SO_LINGER, sigprocmask twice around RST; drain looks and discards,
    # too; after a wait SO_COOKIE once more
    adds 9 last-read "connect:$PORT" write:10 readn:10 close
    adds 6 last-read "connect:$PORT" write:10 readn:10 write:1 close # no lever
    adds 11 drain "connect:$PORT" write:10 readn:10 close
    adds 9 abort "connect:$PORT" write:10 readn:10 close
    adds 11 delay:1 "connect:$PORT" write:10 readn:10 close
    adds 7 linger:1 "connect:$PORT" write:10 readn:10 close
}

@test "STATS: 1 more at close (TCP_INFO), and SIOCINQ where not all was read" {
    echo_server
    export NOTIMEWAIT_STATS=$BATS_TEST_TMPDIR/stats.json
    : >"$NOTIMEWAIT_STATS" # making it is one more
    adds 2 auto "connect:$PORT" write:10 readn:10 close
    adds 3 auto "connect:$PORT" write:10 readn:5 close
}

@test "BOARD: none more, at birth or at close, under any policy; slots neither" {
    echo_server
    export NOTIMEWAIT_BOARD=/dev/shm/notimewait-cost-$$
    LD_PRELOAD=$LIB act say:made
    adds 1 auto "connect:$PORT" write:10 readn:10 close
    adds 3 fin-rst "connect:$PORT" write:10 readn:10 close
    adds 9 last-read "connect:$PORT" write:10 readn:10 close
    adds 0 off "connect:$PORT" write:10 readn:10 close
    NOTIMEWAIT_SPLIT=slot:10 adds 0 'off|off' "connect:$PORT" write:10 readn:10 close
    rm -r "$NOTIMEWAIT_BOARD"
}

@test "LOG: 2 more to know (getsockname, TCP_INFO), and 3 for each record; statistics with it none" {
    # open, write, close
    echo_server
    export NOTIMEWAIT_LOG=$LOG
    : >"$LOG" # making it is one more
    adds 6 auto "connect:$PORT" write:10 readn:10 close
    adds 5 off "connect:$PORT" write:10 readn:10 close
    export NOTIMEWAIT_STATS=$BATS_TEST_TMPDIR/stats.json
    : >"$NOTIMEWAIT_STATS"
    adds 5 off "connect:$PORT" write:10 readn:10 close
}

@test "a read or a write of a connection adds nothing" {
    echo_server
    adds 1 auto "connect:$PORT" write:5 write:5 read:5 read:5 recv-dontwait:5 send:0 close
    adds 3 fin-rst "connect:$PORT" write:5 write:5 read:5 read:5 recv-dontwait:5 send:0 close
}

@test "start-up opens no file, starts no thread and keeps no fd" {
    strace -f -qq -o "$BATS_TEST_TMPDIR/without" "$ACT" say:x
    strace -f -qq -o "$BATS_TEST_TMPDIR/with" -E LD_PRELOAD="$LIB" "$ACT" say:x
    # What remains beside loading the library itself.
    grep -E 'open|clone|fork|socket\(' "$BATS_TEST_TMPDIR/with" | grep -v -e libnotimewait \
        -e ld.so.preload -e ld.so.cache -e libc.so || true
    [[ $(grep -cE 'open|clone|fork|socket\(' "$BATS_TEST_TMPDIR/with") -le \
        $(($(grep -cE 'open|clone|fork|socket\(' "$BATS_TEST_TMPDIR/without") + 1)) ]]
}

# dirty PRELOAD N: the KiB that a process with N fds of one file and a connection has written to.
# The least of three: one run in some sixty had 128 KiB more, which no other one had.
dirty() {
    for _ in 1 2 3; do dirty_once "$@"; done | sort -n | head -n 1
}

dirty_once() {
    LD_PRELOAD=$1 python3 - "$2" <<'END'
import os, socket, sys
fd = os.open('/dev/null', os.O_RDONLY)
for _ in range(int(sys.argv[1])): os.dup(fd)
listener = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(listener.getsockname())
with open('/proc/self/smaps') as maps:
    print(sum(int(line.split()[1]) for line in maps if line.startswith('Private_Dirty:')))
END
}

@test "a million fds, where the system allows them: 8 bytes for each" {
    local count without ours most
    ulimit -Hn 1048576 2>/dev/null || true
    ulimit -Sn "$(ulimit -Hn)"
    count=$(($(ulimit -Hn) - 100))
    count=$((count < 1000000 ? count : 1000000))
    without=$(dirty '' $count)
    ours=$(dirty "$LIB" $count)
    most=$((count * 8 / 1024 + 128))
    echo "KiB with $count fds: $without; $ours with the library, at most $most more"
    [[ $ours -gt $without && $((ours - without)) -le $most ]]
}
