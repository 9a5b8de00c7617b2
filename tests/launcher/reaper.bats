# notimewait --reap: the launcher removes the TIME_WAIT entries that the command leaves, until the
# last process of the command has ended.
# shellcheck disable=SC2016 # the commands' own variables
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait

# without CMD...: runs it without CAP_NET_ADMIN.
without() {
    setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$@"
}

# reaped STEP...: under `notimewait --reap`; the peer answers, and closes after us.
reaped() {
    new_port
    serve "$PORT" "loop:${count-1}" accept readn:10 write:10 readall close end
    run "$START" -p "$policy" --reap -- "$@"
    echo "$output"
    finish server
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 0 ]]
}

@test "notimewait --reap leaves nothing: of a program that is killed, of one without the privilege" {
    local policy=reap
    reaped "$ACT" "connect:$((PORT + 1))" write:10 readn:10 close
    reaped "$ACT" "connect:$((PORT + 1))" write:10 readn:10 close kill:KILL
    [[ $status -eq 137 ]]
    reaped setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$ACT" \
        "connect:$((PORT + 1))" write:10 readn:10 close exit:7
    [[ $status -eq 7 ]]
    policy=auto
    reaped "$ACT" "connect:$((PORT + 1))" write:10 readn:10 shutdown:wr wait-state:CLOSE kill:KILL
    policy=reap count=2
    reaped "$ACT" fork "connect:$((PORT + 1))" write:10 readn:10 close exit end \
        "connect:$((PORT + 1))" write:10 readn:10 close wait
    [[ $status -eq 0 ]]
}

# passes_on SIGNAL...: each, sent to the launcher, reaches the command, which ends by it.
passes_on() {
    local signal
    for signal; do
        start parent "$START" --reap -- bash -c \
            "trap 'echo got $signal; exit 3' $signal; echo ready; while :; do sleep 0.05; done"
        wait_output parent '^ready'
        kill "-$signal" "$(pid_of parent)"
        run finish parent
        [[ $status -eq 3 && $output == *"got $signal"* ]]
    done
}

@test "notimewait --reap: stdin, stdout, signals and the exit status are the command's" {
    run bash -c 'echo hello | "$0" --reap -- cat' "$START"
    [[ $status -eq 0 && $output == hello ]]
    passes_on TERM
    run "$START" --reap -- /no/such/program
    [[ $status -eq 127 && $output == 'notimewait: /no/such/program: '* ]]
}

@test "notimewait --reap passes other signals on, too; another user's command says that it cannot" {
    passes_on HUP USR1 USR2 ALRM WINCH # (QUIT is ignored by what a shell starts in the background)
    setpriv --reuid=65534 --clear-groups true || skip 'there is no other user here'
    # Where another user can read the library.
    local public
    public=$(mktemp -d -p /tmp)
    chmod 755 "$public"
    cp "$START" "$LIB" "$public"
    run "$public/notimewait" --reap -- setpriv --reuid=65534 --clear-groups /bin/true
    rm -r "$public"
    echo "$output"
    [[ $status -eq 0 && $output == 'libnotimewait: NOTIMEWAIT_REAPER: notimewait --reap cannot be reached'* ]]
}

@test "notimewait --reap where it is not permitted: status 2, nothing was started" {
    run without "$START" --reap -- echo started
    echo "$output"
    [[ $status -eq 2 && $output == 'notimewait: --reap: TIME_WAIT entries cannot be removed here'* ]]
}

@test "NOTIMEWAIT_REAPER writes into no file, and into no other memory" {
    printf 'x%.0s' {1..200000} >"$BATS_TEST_TMPDIR/file"
    cp "$BATS_TEST_TMPDIR/file" "$BATS_TEST_TMPDIR/copy"
    serve "$PORT" loop:2 accept readall close end
    exec 7<>"$BATS_TEST_TMPDIR/file"
    NOTIMEWAIT_REAPER=/proc/$BASHPID/fd/7 preload auto act "connect:$PORT" write:10 close
    exec 7>&-
    cmp "$BATS_TEST_TMPDIR/file" "$BATS_TEST_TMPDIR/copy"
    # A launcher that has ended, and whose pid is another's: its memory is not the set.
    start other python3 -c '
import ctypes, os, time
memory = ctypes.create_string_buffer(b"\0", 200000)
print("/proc/%d/mem:%d:12345" % (os.getpid(), ctypes.addressof(memory) // 8 * 8 + 8), flush=True)
while not os.path.exists("'"$BATS_TEST_TMPDIR"'/go"):
    time.sleep(0.05)
print("written" if any(memory.raw) else "untouched")'
    wait_output other '^/proc/'
    NOTIMEWAIT_REAPER=$(output_of other) run preload reap act "connect:$PORT" write:10 close
    touch "$BATS_TEST_TMPDIR/go"
    finish server
    run finish other
    echo "$output"
    [[ $output == *untouched ]]
    NOTIMEWAIT_REAPER=/etc/passwd run preload auto /bin/true
    echo "$output"
    [[ $output == *"NOTIMEWAIT_REAPER: '/etc/passwd' is not accepted; accepted: what notimewait --reap sets; no policy is in force" ]]
}

none_left() {
    [[ $(time_wait_client "$PORT") -eq 0 ]]
}

@test "a daemon that outlives the command: its entries are removed, the status is the command's" {
    local go=$BATS_TEST_TMPDIR/go
    serve "$PORT" accept readn:10 write:10 readall close
    start parent "$START" -p reap --reap -- sh -c '
        setsid sh -c "sleep 0.4; \"\$0\" connect:\$1 write:10 readn:10 close wait-file:\$2:20000" "$@" &
        exit 5' sh "$ACT" "$PORT" "$go"
    finish server
    settle "$PORT"
    until_true 10000 none_left # while the daemon runs
    if has_ended parent; then false; fi
    touch "$go"
    run finish parent
    [[ $status -eq 5 ]]
}

@test "a signal after the command has ended goes to what it left" {
    start parent "$START" --reap -- sh -c '
        setsid bash -c "trap \"echo got TERM; exit 0\" TERM; echo ready; while :; do sleep 0.05; done" &
        exit 4'
    wait_output parent '^ready'
    sleep 0.3
    kill -TERM "$(pid_of parent)"
    run finish parent
    echo "$output"
    [[ $status -eq 4 && $output == *'got TERM'* ]]
}
