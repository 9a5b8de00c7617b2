# notimewait switch: every process of a board obeys at its next connection; off at a close, too.
# shellcheck disable=SC2154 # what helper sets
load ../lib/helper
load ../lib/board

prepare() {
    private_place
    "$START" board "$BOARD"
}

# after WORD: switches, and lets the client go on with its next connection.
after() {
    local n
    "$START" switch "$BOARD" "$1"
    n=$(grep -c '^say ' "$BATS_TEST_TMPDIR/client.out" || true)
    touch "$BATS_TEST_TMPDIR/go.$n"
    wait_output client "^say $n"
}

# client POLICY TIMES: starts a client that makes a connection each time after() lets it.
client() {
    local i steps=(say:0)
    for ((i = 1; i <= $2; i++)); do
        steps+=(wait-file:"$BATS_TEST_TMPDIR/go.$i" "connect:$PORT" write:1 readn:1 close "say:$i")
    done
    serve "$PORT" "loop:$2" "${answer[@]}" end
    NOTIMEWAIT_LOG=$LOG start client boarded "$1" act "${steps[@]}" sleep:60000
    wait_output client '^say 0'
}

@test "a policy, a split, off over a rule, reset: each at the next connection" {
    export NOTIMEWAIT_RULES="port=$PORT program=nobody => abort"
    client auto 6
    after fin-rst
    after 'abort@1|abort@1'
    after off
    after drain:7
    after 'drain:7'
    after reset
    [[ $(json policy "$LOG" | xargs) == 'fin-rst abort off drain:7 drain:7 auto' ]]
    board_cells
    [[ $(total connections 'fin-rst') -eq 1 && $(total connections ' off ') -eq 1 ]]
}

@test "rules stay in force under another policy, and off is over them" {
    export NOTIMEWAIT_RULES="port=$PORT => last-read"
    client auto 3
    after fin-rst
    after off
    after reset
    [[ $(json policy "$LOG" | xargs) == 'last-read off last-read' ]]
}

@test "off stops the levers at the close of living connections, armed ones too" {
    share_cpu
    local policy
    serve "$PORT" loop:3 "${answer[@]}" end
    for policy in abort fin-rst drain; do
        rm -f "$BATS_TEST_TMPDIR/go"
        "$START" switch "$BOARD" reset
        start client boarded "$policy" act "connect:$PORT" write:1 readn:1 say:open \
            wait-file:"$BATS_TEST_TMPDIR/go" close
        wait_output client '^say open'
        "$START" switch "$BOARD" off
        touch "$BATS_TEST_TMPDIR/go"
        finish client
    done
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 3 ]]
    board_cells
    [[ $(total rst) -eq 0 ]]
}

@test "a process that starts later, and a forked child, obey, too; a bad environment stays off" {
    serve "$PORT" loop:4 accept readall close end
    "$START" switch "$BOARD" fin-rst
    boarded auto python3 -c '
import os, socket, sys
def connection(): socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
if os.fork() == 0:
    connection()
    os._exit(0)
os.wait()
connection()' "$PORT"
    [[ $(total connections ' fin-rst ') -eq 2 ]]
    NOTIMEWAIT_LINGER=bad NOTIMEWAIT_LOG=$LOG boarded auto act "connect:$PORT" close
    [[ ! -e $LOG && $(total connections) -eq 2 ]]
}

@test "what cannot be parsed leaves the last good word, in silence" {
    client auto 3
    after fin-rst
    # As a tool of another version would, or somebody who writes by hand.
    python3 - "$BOARD/switch" <<'END'
import struct, sys
with open(sys.argv[1], 'r+b') as f:
    f.seek(64)
    word, = struct.unpack('=I', f.read(4))
    other = 1 - word % 2
    f.seek(96 + other * 1024)
    f.write(struct.pack('=I12x', 9) + b'fin-rst|x')
    f.seek(64)
    f.write(struct.pack('=I', ((word >> 1) + 1 << 1) + other))
END
    touch "$BATS_TEST_TMPDIR/go.2"
    wait_output client '^say 2'
    after reset
    [[ $(json policy "$LOG" | xargs) == 'fin-rst fin-rst auto' && $(output_of client) != *libnotimewait* ]]
}

@test "a tool that is killed at any moment leaves the old word or the new one" {
    local i seen
    need strace
    for i in {1..12}; do
        "$START" switch "$BOARD" fin-rst
        # Killed when it enters its Nth system call after it has begun.
        strace -f -qq -o /dev/null -e inject=all:signal=KILL:when=$((i * 4)) \
            "$START" switch "$BOARD" abort 2>/dev/null || true
        serve "$PORT" accept readall close
        boarded auto act "connect:$PORT" close
        finish server
        new_port
    done
    seen=$(board_cells | awk '{ print $2 }' | sort -u | xargs)
    echo "$seen"
    [[ $seen == 'abort fin-rst' ]]
}

@test "the tool refuses a bad word, a board that is none, and who may not write" {
    run "$START" switch "$BOARD" abrt
    echo "$output"
    [[ $status -eq 2 && $output == "notimewait: switch: 'abrt' is not accepted; accepted: reset, off, auto, "* ]]
    run "$START" switch "$BOARD" ''
    [[ $status -eq 2 ]]
    run "$START" switch "$BOARD"
    [[ $status -eq 2 ]]
    run "$START" switch "$SHM" off
    [[ $status -eq 1 && $output == "notimewait: $SHM: its switch cannot be opened: No such file or directory" ]]
    head -c 2144 /dev/zero >"$SHM/switch"
    run "$START" switch "$SHM" off
    [[ $status -eq 1 && $output == "notimewait: $SHM: it is no board of this version" ]]
    run setpriv --reuid 12345 --clear-groups "$START" switch "$BOARD" off
    [[ $status -eq 1 && $output == *'its switch cannot be opened: Permission denied' ]]
}
