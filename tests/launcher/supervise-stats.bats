# notimewait --by supervise --stats: an object for each process that made connections, at its end:
# how many, by policy, and how many ports were taken over. What is not seen from outside is null.
# shellcheck disable=SC2046 # client prints words
load ../lib/helper

prepare() {
    START=$BUILD/notimewait
    STATS=$BATS_TEST_TMPDIR/stats
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply
    wait_output server '^ready'
}

# client CONNECTIONS: words of the client's.
client() {
    echo "$BUILD/examples/legacy-client --port $PORT --reply --connections $1"
}

# objects: "PROGRAM POLICY CONNECTIONS" of each process, in any order.
objects() {
    jq -r '.program as $program | .policies[] | "\($program) \(.policy) \(.connections)"' "$STATS" | sort
}

# written N: that many objects are there.
written() {
    [[ -s $STATS && $(wc -l <"$STATS") -eq $1 ]]
}

@test "by process, program and policy; what is not known is null, as the library writes it" {
    "$START" --by supervise --stats "$STATS" -p fin-rst sh -c "$(client 7); $(client 5); exec $(client 3)" >/dev/null
    [[ $(objects | paste -sd,) == 'legacy-client fin-rst 3,legacy-client fin-rst 5,legacy-client fin-rst 7' ]]
    [[ $(jq -r .pid "$STATS" | sort -u | wc -l) -eq 3 && $(stat -c %a "$STATS") == 600 ]]
    # The same fields as the library's.
    NOTIMEWAIT_STATS=$STATS.library preload auto $(client 1) >/dev/null
    jq -c '.policies[0] | keys_unsorted' "$STATS.library" "$STATS" | sort -u >"$BATS_TEST_TMPDIR/keys"
    [[ $(wc -l <"$BATS_TEST_TMPDIR/keys") -eq 1 ]]
    [[ $(jq -c '.policies[0] | [.closes, .actions, .connect_errors, .close_us.p50]' "$STATS" | sort -u) == '[null,null,null,null]' ]]
}

@test "a split, and ports that are taken over" {
    echo '20000 20099' >/proc/sys/net/ipv4/ip_local_port_range
    NOTIMEWAIT_SEED=1 "$START" --by supervise --stats "$STATS" -p 'auto|reap' $(client 300) >/dev/null
    [[ $(jq -s '[.[].policies[].connections] | add' "$STATS") -eq 300 ]]
    [[ $(jq -r '.policies[].policy' "$STATS" | paste -sd' ') == 'auto reap' ]]
    [[ $(jq '[.policies[].recycled] | add' "$STATS") -ge 200 ]]
}

@test "a killed process has its object, soon, while others run; one that goes on has its own at the end" {
    start both "$START" --by supervise --stats "$STATS" sh -c \
        "'$ACT' quiet connect:$PORT write:1 close sync:$BATS_TEST_TMPDIR/closed sleep:60000 & echo \$!
        $(client 4) >/dev/null; wait; exec sleep 60"
    wait_output both '^[0-9]'
    until_true 10000 written 1 # the client has ended
    until_true 10000 test -e "$BATS_TEST_TMPDIR/closed"
    [[ $(objects) == 'legacy-client auto 4' ]]
    kill -KILL "$(output_of both)"
    until_true 10000 written 2
    [[ $(objects | paste -sd,) == 'act auto 1,legacy-client auto 4' ]]
    [[ -d /proc/$(pid_of both) ]]
    kill "$(pid_of both)"
    until_true 10000 has_ended both
}

@test "an exec begins another object of the same process" {
    "$START" --by supervise --stats "$STATS" python3 -c "
import os, socket
socket.create_connection(('127.0.0.1', $PORT)).close()
os.execv('$BUILD/examples/legacy-client', '$(client 2)'.split())" >/dev/null
    [[ $(jq -r .pid "$STATS" | sort -u | wc -l) -eq 1 && $(wc -l <"$STATS") -eq 2 ]]
    [[ $(objects | cut -d ' ' -f 2,3 | paste -sd,) == 'auto 2,auto 1' ]]
}

@test "a file for each process, stderr, a FIFO that nobody reads, a file that cannot be written" {
    "$START" --by supervise --stats "$STATS.%p" sh -c "$(client 1); $(client 1)" >/dev/null
    local file
    for file in "$STATS".*; do [[ $file == "$STATS.$(jq .pid "$file")" ]]; done
    run "$START" --by supervise --stats stderr $(client 1)
    [[ $status -eq 0 && $output == *'"program":"legacy-client"'* ]]
    mkfifo "$STATS.fifo"
    run timeout 20 "$START" --by supervise --stats "$STATS.fifo" $(client 1)
    [[ $status -eq 0 && $output == *'connections=1 failed=0'* && $output == *"--stats: '$STATS.fifo' cannot be written"* ]]
    run "$START" --by supervise --stats /nowhere/stats $(client 1)
    echo "$output"
    [[ $status -eq 0 && ${lines[0]} == "notimewait: --stats: '/nowhere/stats' cannot be written: No such file or directory; policies still apply" ]]
    ln -s "$STATS" "$STATS.link"
    run "$START" --by supervise --stats "$STATS.link" $(client 1)
    [[ $status -eq 0 && $output == *'Symbolic links are not followed'* && ! -e $STATS ]]
}

@test "nothing is written of a process without connections, nor on a full disk in part" {
    "$START" --by supervise --stats "$STATS" true
    [[ ! -e $STATS ]]
    run "$START" --by supervise --stats /dev/full $(client 1)
    echo "$output"
    [[ $status -eq 0 && $output == *"--stats: '/dev/full' cannot be written: No space left on device"* ]]
}

@test "stderr: a pipe that nobody reads holds up no call; a socket gets no records" {
    mkfifo "$STATS.full"
    exec 9<>"$STATS.full"
    dd if=/dev/zero of="$STATS.full" bs=4096 oflag=nonblock status=none 2>/dev/null || true
    local file
    for file in stderr /dev/full; do
        timeout -k 1 20 "$START" --by supervise --stats $file sh -c "$(client 1); sleep 1; $(client 1); echo end" >"$STATS.out" 2>&9
        [[ $(tail -n 1 "$STATS.out") == end ]]
    done
    python3 -c "
import socket, subprocess, sys
ours, its = socket.socketpair()
subprocess.run(sys.argv[1:], stderr=its, stdout=subprocess.DEVNULL, check=True)
print(ours.recv(9999).decode())" "$START" --by supervise --stats stderr $(client 1) >"$STATS"
    [[ $(<"$STATS") == "notimewait: --stats: 'stderr' is a socket, to which records are not written; policies still apply"* ]]
}

# Only 63 calls wait at a time; what is not done for the others is counted all the same.
@test "no port is left, and many calls wait for one: each is counted" {
    echo '21000 21019' >/proc/sys/net/ipv4/ip_local_port_range
    command $(client 20) >/dev/null # whose ports nobody can take over
    "$START" --by supervise --stats "$STATS" "$ACT" quiet loop:200 fork "connect:$PORT" sleep:2000 exit end end \
        loop:200 wait end >/dev/null
    echo "$(wc -l <"$STATS") objects"
    written 200
}

@test "few files may be open: every process is reached, and has its object" {
    (
        ulimit -n 400
        "$START" --by supervise --stats "$STATS" -p fin-rst "$ACT" quiet loop:300 fork "connect:$PORT" loud \
            getlinger2 quiet sleep:4000 exit end end loop:300 wait end >"$STATS.out"
    )
    [[ $(grep -cx 'child getlinger2 -1' "$STATS.out") -eq 300 ]]
    written 300
}
