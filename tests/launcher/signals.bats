# Every signal that is sent to the launcher is for its command, whichever way it waits for it:
# under supervision, with --reap, in ab. What stops the command stops the launcher, but not who
# answers other processes' connect().
# shellcheck disable=SC2016 # the commands' own variables
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait

# launch WAY CMD...: CMD under a launcher that waits for it, as `parent`.
launch() {
    case $1 in
    supervise) start parent "$START" --by supervise "${@:2}" ;;
    reap) start parent "$START" --reap "${@:2}" ;;
    ab) start parent "$START" ab -n 1 -p off --no-wait "${@:2}" ;;
    esac
}

# state NAME|PID: S, T (stopped) and the like.
state() {
    local pid=$1 line
    [[ $pid == [0-9]* ]] || pid=$(pid_of "$pid")
    read -r line <"/proc/$pid/stat"
    line=${line##*) }
    echo "${line%% *}"
}

is_stopped() {
    [[ $(state "$1") == T ]]
}

is_running() {
    [[ $(state "$1") != T ]]
}

@test "every signal that can be caught reaches the command, once, and none ends the launcher" {
    local way signal signals=()
    for signal in $("$BUILD/tests/heard" --list); do
        signals+=("$signal")
    done
    [[ ${#signals[@]} -ge 60 ]]
    for way in supervise reap ab; do
        launch $way "$BUILD/tests/heard"
        wait_output parent '^ready'
        for signal in "${signals[@]}"; do
            kill "-$signal" "$(pid_of parent)"
            wait_output parent "^$signal\$"
        done
        run finish parent
        echo "$way: $status: $output"
        [[ $status -eq 0 || ($way == ab && $status -eq 130) ]]
        [[ $(grep -xE '[0-9]+' <<<"$output" | tr '\n' ' ') == "${signals[*]} " ]]
    done
}

@test "the value of a queued signal comes along" {
    local way
    /bin/kill --help | grep -q -- --queue || skip 'this kill(1) queues none'
    for way in supervise reap; do
        launch $way "$BUILD/tests/heard"
        wait_output parent '^ready'
        /bin/kill -s RTMIN+3 --queue 4711 "$(pid_of parent)"
        wait_output parent "^$(kill -l RTMIN+3) 4711\$"
        kill -RTMAX "$(pid_of parent)"
        finish parent
    done
}

@test "an alarm that was set before is the command's" {
    run -142 python3 -c 'import os, signal, sys; signal.alarm(1); os.execv(sys.argv[1], sys.argv[1:])' \
        "$START" --by supervise sleep 20
}

@test "what is ignored stays ignored, and what the command handles nevertheless reaches it" {
    local way plain
    plain=$(trap '' HUP USR1; grep SigIgn /proc/self/status)
    for way in '--by supervise' --reap; do
        # shellcheck disable=SC2086 # words
        run bash -c 'trap "" HUP USR1; exec "$@"' sh "$START" $way grep SigIgn /proc/self/status
        [[ $output == "$plain" ]]
        # shellcheck disable=SC2086 # words
        start parent bash -c 'trap "" HUP USR1; exec "$@"' sh "$START" $way python3 -c '
import os, signal, time
def handler(number, frame):
    os.write(1, b"got %d" % number)
    os._exit(0)
signal.signal(signal.SIGUSR1, handler)
print("ready", flush=True)
time.sleep(20)'
        wait_output parent '^ready'
        kill -HUP "$(pid_of parent)"
        kill -USR1 "$(pid_of parent)"
        run finish parent
        [[ $status -eq 0 && $output == *'got 10' ]]
    done
}

# child_of PID
child_of() {
    pgrep -P "$1"
}

@test "SIGTSTP to the launcher stops the command and then it, SIGCONT lets both go on" {
    local way command
    for way in supervise reap; do
        launch $way "$ACT" say:ready "wait-file:$BATS_TEST_TMPDIR/go-$way:20000" exit:6
        wait_output parent '^say ready'
        command=$(child_of "$(pid_of parent)")
        [[ $way == reap ]] || command=$(child_of "$command")
        kill -TSTP "$(pid_of parent)"
        until_true 5000 is_stopped parent
        is_stopped "$command"
        kill -CONT "$(pid_of parent)"
        until_true 5000 is_running parent
        until_true 5000 is_running "$command"
        # One that others stop and let go on leaves the launcher as it is.
        kill -STOP "$command"
        sleep 0.2
        is_running parent
        kill -CONT "$command"
        touch "$BATS_TEST_TMPDIR/go-$way"
        run finish parent
        [[ $status -eq 6 ]]
    done
}

@test "SIGTSTP after the command has ended stops what it left, and the launcher" {
    local way left command
    for way in supervise reap; do
        launch $way sh -c '"$0" say:ready wait-file:$1:20000 & echo "left $! of $$"; exit 6' "$ACT" \
            "$BATS_TEST_TMPDIR/end-$way"
        wait_output parent '^say ready'
        wait_output parent '^left '
        read -r left command < <(sed -n 's/^left \(.*\) of/\1/p' "$BATS_TEST_TMPDIR/parent.out")
        until_true 5000 test ! -e "/proc/$command" # it has been waited for
        pause 0.1
        kill -TSTP "$(pid_of parent)"
        until_true 5000 is_stopped parent
        until_true 5000 is_stopped "$left"
        kill -CONT "$(pid_of parent)"
        touch "$BATS_TEST_TMPDIR/end-$way"
        run finish parent
        [[ $status -eq 6 ]]
    done
}

@test "a launcher that is stopped answers: other processes of the command connect" {
    local signal
    for signal in TSTP STOP; do
        new_port
        serve "$PORT" accept readall close
        start parent "$START" --by supervise -p fin-rst sh -c '
            setsid "$0" wait-file:$2:20000 "connect:$1" getlinger2 close &
            exec "$0" say:ready wait-file:$2:20000' "$ACT" "$PORT" "$BATS_TEST_TMPDIR/go-$signal"
        wait_output parent '^say ready'
        kill -$signal "$(pid_of parent)"
        until_true 5000 is_stopped parent
        touch "$BATS_TEST_TMPDIR/go-$signal"
        finish server
        kill -CONT "$(pid_of parent)"
        run finish parent
        [[ $status -eq 0 && $output == *'getlinger2 -1'* ]]
    done
}

# A shell with job control: ^Z stops the job, which the shell sees, and fg continues it.
@test "^Z and fg on a terminal" {
    cat >"$BATS_TEST_TMPDIR/terminal" <<'END'
import os, pty, signal, sys, time
pid, terminal = pty.fork()
if pid == 0:
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execv(sys.argv[1], sys.argv[1:])
    _, status = os.waitpid(job, os.WUNTRACED)
    print("stopped" if os.WIFSTOPPED(status) else "not stopped", flush=True)
    open(sys.argv[-1][10:], "w").close()
    os.killpg(job, signal.SIGCONT)
    _, status = os.waitpid(job, 0)
    print("ended", os.waitstatus_to_exitcode(status), flush=True)
    os._exit(0)
seen, sent = b"", False
while b"ended" not in seen or not seen.endswith(b"\n"):
    try:
        seen += os.read(terminal, 1000)
    except OSError:
        break
    if b"ready" in seen and not sent:
        sent = os.write(terminal, b"\x1a") == 1
print(seen.decode(), end="")
END
    local way
    for way in '--by supervise' --reap 'ab -n 1 -p off --no-wait'; do
        rm -f "$BATS_TEST_TMPDIR/go"
        # shellcheck disable=SC2086 # words
        run timeout 20 python3 "$BATS_TEST_TMPDIR/terminal" "$START" $way -- \
            "$ACT" say:ready wait-file:"$BATS_TEST_TMPDIR/go"
        echo "$way: $status: $output"
        [[ $status -eq 0 && $output == *stopped*'ended 0'* && $output != *'not stopped'* ]]
    done
}

# (A shell's background jobs ignore it.)
@test "ab: SIGQUIT ends the experiment, too" {
    start parent env --default-signal=QUIT "$START" ab -n 2 -p off --no-wait -- sh -c 'echo ready >&2; exec sleep 20'
    wait_output parent '^ready'
    kill -QUIT "$(pid_of parent)"
    run finish parent
    echo "$output"
    [[ $status -eq 130 && $output == *'Interrupted: 0 of 2 runs were made.'* ]]
}
