# notimewait ab: policies compared on one command, by what the kernel has afterwards.
# shellcheck disable=SC2016 # the command's own variables
# shellcheck disable=SC2154 # what load ab and run set
load ../lib/helper
load ../lib/ab
bats_require_minimum_version 1.5.0

IN_ORDER=2 # a seed by which the first round has two arms in their order

@test "off leaves TIME_WAIT; abort leaves none, but resets; fin-rst neither" {
    legacy_server
    ab_client -n 4 -p 'off|abort|fin-rst'
    [[ $status -eq 0 ]]
    [[ $(row 'exit status') =~ ^exit\ status\ +0\ +0\ +0$ ]]
    [[ $(row connections) =~ ^connections\ +50\ +50\ +50$ ]]
    [[ $(row 'TIME_WAIT left') =~ left\ +50\ +0\ \(-50\ real\)\ +0\ \(-50\ real\)$ ]]
    [[ $(row 'reset, no FIN') =~ FIN\ +0\ +50\ \(\+50\ real\)\ +0$ ]]
    [[ $(row 'RSTs sent') =~ sent\ +0\ +50\ \(\+50\ real\)\ +50\ \(\+50\ real\)$ ]]
    # The server agrees: of 600 connections the 200 that were aborted.
    run legacy_report
    [[ $output == *'connections=600 '*'eof=400 resets=200 broken_pipe=0 errors=0 '* ]]
}

@test "--json has exactly the fields of the design" {
    legacy_server
    ab_client --json -n 4 -p 'off|abort'
    [[ $status -eq 0 && ${#lines[@]} -eq 1 ]]
    [[ $(figures keys_unsorted) == '["command","runs","arms","differences"]' ]]
    [[ $(figures .command) == '["'*'/legacy-client","--port","'"$PORT"'","--reply","--connections","50"]' ]]
    [[ $(figures '[.runs,.arms[].policy]') == '[4,"off","abort"]' ]]
    [[ $(figures '[.arms[]|keys_unsorted]|unique') == '[["policy","exit_statuses","wall_s","connections","connect_errors","time_wait_left","rst_sent","resets","close_us_p50","connect_us_p50","connect_errors_by_errno"]]' ]]
    [[ $(figures '[.arms[]|del(.connect_errors_by_errno)|.[]|objects|keys_unsorted]|unique') == '[["median","min","max"]]' ]]
    [[ $(figures '[.arms[].exit_statuses]') == '[[0,0,0,0],[0,0,0,0]]' ]]
    [[ $(figures '[.arms[]|.connections.median,.connect_errors.max,.time_wait_left.min,.rst_sent.max,.resets.max]') == '[50,0,50,0,0,50,0,0,50,50]' ]]
    [[ $(figures '[.differences[]|del(.runs_to_decide)|keys_unsorted]|unique') == '[["policy","against","measure","estimate","low","high","p","verdict"]]' ]]
    [[ $(figures '[.differences[]|select(.measure=="time_wait_left")]') == '[{"policy":"abort","against":"off","measure":"time_wait_left","estimate":-50,"low":-50,"high":-50,"p":0.02857142857,"verdict":"real"}]' ]]
    [[ $(figures '[.differences[]|select(.measure=="connections").verdict]') == '["same"]' ]]
    [[ $(figures '[.arms[]|.wall_s,.close_us_p50,.connect_us_p50|0 < .min and .min <= .median and .median <= .max]|unique') == '[true]' ]]
}

@test "TIME_WAIT left is what the kernel has: IPv4, IPv6 and v4-mapped, client and server" {
    serve "[::]:$PORT" loop:30 "${answer[@]}" end
    ab --json -n 1 -p off -- "$ACT" loop:10 "connect:$PORT" "${exchange[@]}" \
        connect:"[::1]:$PORT" "${exchange[@]}" connect:"[::ffff:127.0.0.1]:$PORT" \
        "${exchange[@]}" end
    [[ $(figures '.arms[0]|.connections.median,.time_wait_left.median' | xargs) == '30 30' ]]
    [[ $(time_wait_client "$PORT") -eq 30 ]]
    finish server
    # a server that closes first
    new_port
    start client python3 -c '
import socket, sys, time
for i in range(200):
    try:
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        break
    except ConnectionRefusedError:
        time.sleep(0.02)
s.recv(1)' "$PORT"
    ab --json -n 1 -p off -- "$ACT" "listen:$PORT" accept close wait-state:CLOSE:50
    [[ $(figures '.arms[0]|.connections.median,.time_wait_left.median,.connect_us_p50.median' | xargs) == '1 1 null' ]]
    [[ $(time_wait_server "$PORT") -eq 1 ]]
}

@test "a connection that is still being closed when the command ends is waited for" {
    serve "$PORT" accept sleep:300 readall close
    ab --json -n 1 -p off -- "$ACT" "connect:$PORT" write:5 close
    [[ $(figures '.arms[0].time_wait_left.median') -eq 1 ]]
}

@test "figures of several processes are summed" {
    serve "$PORT" loop:60 accept readn:1 write:1 readall close end
    # shellcheck disable=SC2016 # sh expands it
    ab --json -n 1 -p off -- sh -c '
        "$0" loop:20 connect:$1 write:1 readn:1 close end &
        "$0" loop:40 connect:$1 write:1 readn:1 close end
        wait' "$ACT" "$PORT"
    [[ $(figures '.arms[0]|.connections.median,.time_wait_left.median' | xargs) == '60 60' ]]
    [[ $(figures '.arms[0]|.close_us_p50.median > 0 and .connect_us_p50.median > 0') == true ]]
}

@test "each round has a run of each policy, in any order; inherited rules and files are not used" {
    export NOTIMEWAIT_RULES='port=1-65535 => abort' NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_STATS=$LOG NOTIMEWAIT_SEED=5
    serve "$PORT" loop:100 "${answer[@]}" end
    ab -n 4 -p 'off|fin-rst' -- sh -c '
        echo "$NOTIMEWAIT_POLICY/$NOTIMEWAIT_RULES"
        "$0" connect:$1 quiet write:1 readn:1 close' "$ACT" "$PORT"
    [[ $status -eq 0 && ! -e $LOG ]]
    # two and two
    local rounds
    rounds=$(grep / <<<"$stderr" | paste -d ' ' - - | sort)
    [[ $(wc -l <<<"$rounds") -eq 4 && $(sort -u <<<"$rounds") == $'fin-rst/ off/\noff/ fin-rst/' ]]
    [[ $(row 'TIME_WAIT left') =~ left\ +1\ +0\ \(-1\ real\)$ ]]
    [[ $output == *'NOTIMEWAIT_RULES is not applied'*'NOTIMEWAIT_LOG and NOTIMEWAIT_STATS are not written, nor a board'* ]]
}

@test "before a run it removes what the last one left, and nothing else" {
    legacy_server
    # somebody else's connections to the same server
    "$BUILD/examples/legacy-client" --port "$PORT" --reply --connections 10
    settle "$PORT"
    ab_client -n 3 -p off
    # theirs, and those of the last run
    [[ $status -eq 0 && $(time_wait_client "$PORT") -eq 60 ]]
}

@test "what one run leaves does not fail the next: ports for one run, four runs" {
    legacy_server
    echo '40000 40059' >/proc/sys/net/ipv4/ip_local_port_range
    ab_client -n 4 -p off
    echo '32768 60999' >/proc/sys/net/ipv4/ip_local_port_range
    [[ $(row 'failed connects') =~ connects\ +0$ && $(row connections) =~ ' 50'$ ]]
}

@test "connects that fail are counted, and named" {
    legacy_server
    echo '40000 40029' >/proc/sys/net/ipv4/ip_local_port_range
    ab_client -n 4 -p 'off|fin-rst'
    echo '32768 60999' >/proc/sys/net/ipv4/ip_local_port_range
    [[ $status -eq 0 ]]
    [[ $(row 'failed connects') =~ connects\ +1\ +0\ \(-1\ real\)$ ]]
    [[ $(row 'exit status') =~ status\ +1\ +0$ ]]
    [[ $(row connections) =~ connections\ +30\ +50\ \(\+20\ real\)$ ]]
    [[ $output == *'off: failed connects: EADDRNOTAVAIL 4'* ]]
    [[ $output == *'off: 4 of 4 runs failed, with another exit status than 0'* ]]
}

@test "without the right to remove them it waits until they are gone" {
    legacy_server
    export NOTIMEWAIT_SEED=$IN_ORDER
    start client "${unprivileged[@]}" env TMPDIR="$BATS_TEST_TMPDIR" "$START" ab -n 1 -p 'off|auto' -- \
        "$BUILD/examples/legacy-client" --port "$PORT" --reply --connections 5
    wait_output client '^connections=5' 20000
    sleep 1
    [[ $(output_of client | grep -c '^connections=5') -eq 1 ]] # the second has not begun
    kill "$(pid_of client)"
    run finish client
    echo "$output"
    [[ $status -eq 130 && $output == *'Interrupted: 1 of 2 runs were made.'* ]]
    [[ $(row 'TIME_WAIT left') =~ left\ +5\ +-$ ]]
}

@test "--no-wait goes on and marks what is contaminated, in the JSON, too" {
    legacy_server
    export NOTIMEWAIT_SEED=$IN_ORDER
    run "${unprivileged[@]}" "$START" ab --no-wait -n 1 -p 'off|auto' -- \
        "$BUILD/examples/legacy-client" --port "$PORT" --reply --connections 5
    echo "$output"
    [[ $status -eq 0 && $output == *' off '*' auto (contaminated)'* ]]
    [[ $output == *'auto: 1 of 1 runs contaminated'* && $output != *'off: '*' contaminated'* ]]
    run --separate-stderr "${unprivileged[@]}" "$START" ab --no-wait --json -n 1 -p 'off|auto' -- \
        "$BUILD/examples/legacy-client" --port "$PORT" --reply --connections 5
    [[ $(figures '[.arms[].contaminated]') == '[null,true]' && $stderr == *'auto: 1 of 1 runs contaminated'* ]]
    # Where it may remove them there is no contamination.
    ab_client --no-wait -n 2 -p off
    [[ $output != *contaminated* ]]
}

@test "a command that fails, or is killed, is measured, and it says so" {
    legacy_server
    ab -n 2 -p 'off|auto' -- sh -c '"$0" --port $1 --connections 5; [ $NOTIMEWAIT_POLICY = off ] || kill -9 $$; exit 3' \
        "$BUILD/examples/legacy-client" "$PORT"
    [[ $status -eq 1 && $output == *'No run succeeded: compared is how they fail.'* ]]
    [[ $(row 'exit status') =~ status\ +3\ +137$ ]]
    [[ $(row connections) =~ connections\ +5\ +5$ ]]
    [[ $output == *'off: 2 of 2 runs failed'*'auto: 2 of 2 runs failed'* ]]
    ab -n 1 -p 'off|auto' -- sh -c '[ $NOTIMEWAIT_POLICY = off ]'
    [[ $status -eq 0 && $output == *'auto: 1 of 1 runs failed'* && $output != *'No run'* ]]
}

@test "a command without TCP: it says so; one that the library does not reach is refused, or unknown" {
    ab -n 1 -p off -- true
    [[ $status -eq 0 && $output == *'off: 1 of 1 runs made no TCP connection'* ]]
    [[ $(row connections) =~ ' 0'$ ]]
    echo 'int main(void) { return 0; }' >"$BATS_TEST_TMPDIR/main.c"
    gcc -static -o "$BATS_TEST_TMPDIR/static" "$BATS_TEST_TMPDIR/main.c"
    ab -n 1 -p off -- "$BATS_TEST_TMPDIR/static"
    [[ $status -eq 2 && -z $output && $stderr == "notimewait: $BATS_TEST_TMPDIR/static: statically linked"*--anyway* ]]
    ab --anyway -n 1 -p off -- "$BATS_TEST_TMPDIR/static"
    [[ $status -eq 0 && $output == *'off: 1 of 1 runs not seen'*'/static: statically linked'* ]]
    [[ $(row connections) =~ ' -'$ && $(row 'TIME_WAIT left') =~ ' -'$ ]]
}

@test "a command that cannot be run: status 126 or 127, as a shell" {
    ab -n 2 -- no-such-command
    [[ $status -eq 127 && -z $output && $stderr == 'notimewait: no-such-command: not found' ]]
    ab -n 2 -- /etc/passwd
    [[ $status -eq 126 && -z $output && $stderr == 'notimewait: /etc/passwd: Permission denied' ]]
    ab -n 2 --json -- no-such-command
    [[ $status -eq 127 && $(figures '[.arms[]|.exit_statuses,.connections.median]') == '[[],null,[],null]' ]]
}

@test "no temporary directory: status 1, and it says where" {
    run env TMPDIR=/none "$START" ab true
    echo "$output"
    [[ $status -eq 1 && $output == 'notimewait: no directory can be made in /none: No such file or directory' ]]
}

# (A shell's background jobs ignore SIGINT: ab does not.)
@test "SIGINT and SIGTERM are passed on; what was measured is still shown: status 130" {
    serve "$PORT" loop:100 "${answer[@]}" end
    local signal
    export NOTIMEWAIT_SEED=$IN_ORDER
    for signal in INT TERM; do
        rm -f "$BATS_TEST_TMPDIR/second"
        start client "$START" ab -n 2 -p 'off|auto' -- sh -c '
            "$0" connect:$1 quiet write:1 readn:1 close
            [ $NOTIMEWAIT_POLICY = auto ] || exit 0
            trap "echo passed on; kill \$!; exit 0" '$signal'
            touch "$2"; sleep 60 & wait' "$ACT" "$PORT" "$BATS_TEST_TMPDIR/second"
        until_true 20000 test -e "$BATS_TEST_TMPDIR/second"
        kill -$signal "$(pid_of client)"
        run finish client
        echo "$output"
        [[ $status -eq 130 && $(grep -c '^passed on$' <<<"$output") -eq 1 ]]
        [[ $(row 'TIME_WAIT left') =~ left\ +1\ +-$ ]]
        [[ $output == *'Interrupted: 1 of 4 runs were made.'* ]]
    done
}

# on_terminal KEYS CMD...: runs it on a terminal, where KEYS are typed when it prints "ready".
on_terminal() {
    run python3 - "$@" <<'END'
import os, pty, signal, sys
keys = sys.argv[1].encode().decode('unicode_escape').encode()
pid, terminal = pty.fork()
if pid == 0:
    signal.signal(signal.SIGINT, signal.SIG_DFL) # background jobs ignore it
    os.execv(sys.argv[2], sys.argv[2:])
seen = b''
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    seen += data
    if keys and b'ready' in seen:
        os.write(terminal, keys)
        keys = b''
sys.stdout.write(seen.decode().replace('\r', ''))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
    echo "$output"
}

@test "Ctrl-C reaches the command once" {
    on_terminal '\x03' "$START" ab -n 2 -p off -- python3 -c '
import signal, time
count = 0
def handler(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, handler)
print("read" + "y", flush=True)
end = time.monotonic() + 20
while count == 0 and time.monotonic() < end:
    time.sleep(0.1)
time.sleep(0.7)
print("interrupts:", count)'
    [[ $status -eq 130 && $output == *'interrupts: 1'* && $output == *'Interrupted: 0 of 2 runs'* ]]
}

@test "progress is told on a terminal, and nowhere else" {
    on_terminal '' "$START" ab -n 2 -p 'off|auto' true
    [[ $output == *'notimewait: 4 runs in all; '*'notimewait: run 1 of 4: '*'notimewait: run 4 of 4: '*', about 0 s left'* ]]
    ab -n 2 -p 'off|auto' true
    [[ -z $stderr ]]
}

@test "a wait is told on a terminal, with how long it takes" {
    local told='run 2 of 2 waits for 1 TIME_WAIT entries to go: (60|5[0-9]) s.*to go: 5[0-9] s'
    legacy_server
    on_terminal '' "$(command -v timeout)" --foreground -s INT 8 "${unprivileged[@]}" \
        "$START" ab -n 2 -p off -- "$BUILD/examples/legacy-client" --port "$PORT" --reply
    [[ $output =~ $told ]]
}

@test "stdout is the result's alone; the command's goes to stderr, and it has no input" {
    ab --json -n 1 -p off -- sh -c 'echo out; cat; echo err >&2' <<<input
    [[ ${#lines[@]} -eq 1 && $(figures .runs) -eq 1 && $stderr == *out*err* && $stderr != *input* ]]
}

@test "real and noise, by the rank test; too few runs say so, and how many are needed" {
    serve "$PORT" loop:200 "${answer[@]}" end
    ab -n 4 -p 'off|delay:20' -- "$ACT" quiet loop:5 "connect:$PORT" "${exchange[@]}" end
    [[ $(row 'close, us') =~ \(x[0-9]+\ real\) && $(row 'TIME_WAIT left') == *'0 (-5 real)' ]]
    [[ $(grep -A 1 '^TIME_WAIT left  ' <<<"$output" | tail -n 1 | xargs) == '-5..-5, p 0.029' ]]
    ab --json -n 2 -p 'off|delay:20' -- "$ACT" quiet loop:5 "connect:$PORT" "${exchange[@]}" end
    [[ $(figures '.differences[]|select(.measure=="time_wait_left")|[.low,.runs_to_decide,.verdict]') == '[null,4,"too few runs"]' ]]
    ab -n 1 -p 'off|delay:20' -- "$ACT" quiet loop:5 "connect:$PORT" "${exchange[@]}" end
    [[ $(row 'close, us') =~ \(x[0-9]+\)$ && $(row 'TIME_WAIT left') == *'0 (-5)' ]]
    [[ $output == *'More runs: -n 4 is the least that can tell a difference.'* ]]
}

@test "--export-markdown writes the table; --warm-up's runs do not count" {
    serve "$PORT" loop:20 "${answer[@]}" end
    ab -n 2 -p 'off|fin-rst' --warm-up 3 --export-markdown "$BATS_TEST_TMPDIR/ab.md" -- sh -c \
        'echo run; exec "$0" "$@"' "$ACT" quiet loop:2 "connect:$PORT" "${exchange[@]}" end
    [[ $status -eq 0 && $(grep -c '^run$' <<<"$stderr") -eq 7 ]]
    cat "$BATS_TEST_TMPDIR/ab.md"
    [[ $(head -n 1 "$BATS_TEST_TMPDIR/ab.md") == '| | `off` | `fin-rst` |' ]]
    grep -qx '| connections | 2 | 2 |' "$BATS_TEST_TMPDIR/ab.md"
    grep -qx '| TIME_WAIT left | 2 | 0 (-2) |' "$BATS_TEST_TMPDIR/ab.md"
    [[ $(awk -F '|' '/^\|/ { print NF }' "$BATS_TEST_TMPDIR/ab.md" | sort -u) -eq 5 ]]
}

@test "the table is at most 80 columns wide, whatever the arms" {
    legacy_server
    ab_client -n 2 -p 'off|auto|fin-rst|last-read|drain:60000|drain-eof:1|abort|delay:1|linger:3600|off|auto'
    awk 'length > 80 { exit 1 }' <<<"$output"
    [[ $(grep -c '^connections' <<<"$output") -ge 3 && $output == *drain-eof:1* ]]
}
