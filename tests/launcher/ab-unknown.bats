# notimewait ab: what it counts of processes that do not come to their end, or that may write
# nowhere; a figure that is not known is said to be unknown.
# shellcheck disable=SC2016 # the command's own variables
# shellcheck disable=SC2154 # what load ab and run set
load ../lib/helper
load ../lib/ab
bats_require_minimum_version 1.5.0

# by_errno: what connect() failed with, of all arms.
by_errno() {
    figures '[.arms[].connect_errors_by_errno]'
}

@test "a process that is killed is counted: its connections, open ones too, and failed connects" {
    serve "$PORT" loop:60 "${answer[@]}" end
    ab -n 2 -p off -- "$ACT" quiet loop:29 "connect:$PORT" "${exchange[@]}" end loop:3 connect:1 close end "connect:$PORT" kill:KILL
    [[ $(row 'exit status') =~ ' 137'$ && $(row connections) =~ ' 30'$ ]]
    [[ $(row 'TIME_WAIT left') =~ ' 29'$ && $(row 'failed connects') =~ ' 3'$ ]]
    [[ $(row 'close, us') =~ [1-9] && $(row 'connect, us') =~ [1-9] ]]
    [[ $output == *'off: failed connects: ECONNREFUSED 6'* && $output != *'processes were killed'* ]]
    [[ $output != *'not seen'* && $output != *'made no TCP'* ]]
}

@test "the command cannot cut off the board that it counts on" {
    serve "$PORT" loop:3 "${answer[@]}" end
    ab --json -n 1 -p off -- python3 -c '
import os, socket, sys
fd = os.open(os.environ["NOTIMEWAIT_BOARD"], os.O_RDWR)
for size in 0, 1 << 30:
    try: os.ftruncate(fd, size)
    except PermissionError: print("refused", file=sys.stderr)
for i in range(3):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.send(b"x"); s.recv(1); s.close()
os.kill(os.getpid(), 9)' "$PORT"
    [[ $(grep -c '^refused$' <<<"$stderr") -eq 2 && $(figures .arms[0].connections.median) -eq 3 ]]
}

@test "a pool of workers that is terminated: each connection is counted" {
    need python3
    serve "$PORT" loop:40 "${answer[@]}" end
    ab --json -n 1 -p off -- python3 -c '
import multiprocessing, socket, sys
def work(i):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.send(b"x")
    s.recv(1)
    s.close()
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(work, range(40))' "$PORT"
    [[ $(figures '.arms[0]|.connections.median,.time_wait_left.median' | xargs) == '40 40' ]]
}

@test "a command that drops to another user: its connections are counted" {
    setpriv --reuid=65534 --clear-groups true || skip 'there is no other user here'
    local public
    public=$(mktemp -d -p /tmp) # where another user can read the library
    chmod 755 "$public"
    cp "$START" "$LIB" "$ACT" "$public"
    serve "$PORT" loop:7 "${answer[@]}" end
    run --separate-stderr env -u TMPDIR "$public/notimewait" ab --json -n 1 -p off -- \
        setpriv --reuid=65534 --clear-groups "$public/act" loop:5 "connect:$PORT" "${exchange[@]}" end
    echo "$output" "$stderr"
    [[ $(figures '.arms[0]|.connections.median,.connect_errors.median,.time_wait_left.median' | xargs) == '5 0 5' ]]
    # Its failed connects, too, beside a process that the board has all of.
    run --separate-stderr env -u TMPDIR "$public/notimewait" ab --json -n 1 -p off -- \
        sh -c '"$0" loop:2 "connect:$1" write:1 readn:1 close end
            setpriv --reuid=65534 --clear-groups "$0" quiet loop:3 connect:1 close end' "$public/act" "$PORT"
    rm -r "$public"
    echo "$output" "$stderr"
    [[ $(figures '.arms[0]|.connections.median,.connect_errors.median,.connect_errors_by_errno' | xargs) == '2 3 {ECONNREFUSED:3}' ]]
}

@test "the files: another user can neither list them nor read them, and they are new in each run" {
    ab -n 2 -p off -- sh -c 'stat -c "%a %n" "$NOTIMEWAIT_LOG" "${NOTIMEWAIT_LOG%/*}"'
    [[ $(grep -Ec "^622 $BATS_TEST_TMPDIR/notimewait-[^/]*/[0-9a-f]{32}$" <<<"$stderr") -eq 2 ]]
    [[ $(grep -c "^711 $BATS_TEST_TMPDIR/notimewait-" <<<"$stderr") -eq 2 ]]
    [[ $(sort -u <<<"$stderr" | wc -l) -eq 3 ]]
}

@test "a TMPDIR with %p in it, and a relative one" {
    local file
    serve "$PORT" loop:2 "${answer[@]}" end
    mkdir "$BATS_TEST_TMPDIR/a%pb" "$BATS_TEST_TMPDIR/here"
    TMPDIR=$BATS_TEST_TMPDIR/a%pb run --separate-stderr "$START" ab --json -n 1 -p off -- \
        "$ACT" "connect:$PORT" "${exchange[@]}"
    [[ $(figures .arms[0].connections.median) -eq 1 ]]
    cd "$BATS_TEST_TMPDIR"
    TMPDIR=here run --separate-stderr "$START" ab --json -n 1 -p off -- \
        sh -c 'cd /; exec "$0" "$@"' "$ACT" "connect:$PORT" "${exchange[@]}"
    [[ $(figures .arms[0].connections.median) -eq 1 ]]
    for file in a%pb/* here/*; do [[ ! -e $file ]]; done
}

@test "--json is valid with a command of any length, and any bytes" {
    local word
    word=$(head -c 100000 /dev/zero | tr '\0' '\001')
    ab --json -n 1 -p off -- true "$word" "$(printf 'q"\\u\351')"
    [[ $(figures '.command|map(length)') == '[4,100000,5]' ]]
    [[ $(figures '.command[1]|.[0:1]|explode') == '[1]' ]]
}

@test "--json: failed connects by errno; a figure that is not known is null" {
    ab --json -n 2 -p 'off|auto' -- "$ACT" quiet loop:3 "connect:$PORT" end
    [[ $(by_errno) == '[{"ECONNREFUSED":6},{"ECONNREFUSED":6}]' ]]
    [[ $(figures '[.arms[0]|.connect_us_p50.median,.close_us_p50.median]') == '[null,null]' ]]
    [[ $(figures '[.differences[]|select(.measure=="close_us_p50")|.estimate,.verdict]') == '[null,null]' ]]
    ab --anyway --json -n 1 -p off -- env -u LD_PRELOAD "$ACT" quiet "connect:$PORT"
    [[ $(figures '[.arms[0]|.connections.median,.connect_errors.median,.resets.median]') == '[null,null,null]' ]]
}
