#!/usr/bin/env bats
# A process ends with connections open and data just written: every byte and EOF arrive and no
# TIME_WAIT stays under fin-rst, which the kernel carries out; no lever is pulled, whatever the
# policy; and the log tells of it where a hook can run. (close-ways has the same for a few bytes.)

load ../lib/helper

# What one ends sends.
CONNECTIONS=3
BYTES=200000

# Where exit's handlers or a hook run, and where neither does.
TOLD=(return exit quick_exit _exit _Exit number handler thread last-thread)
UNTOLD=(exit_group abort KILL TERM SEGV exec)

# ends POLICY WAY: the client ends that way; afterwards the server has read to the end, slowly,
# and printed it to $BATS_TEST_TMPDIR/read. The client's status is in $ended.
ends() {
    local i steps=()
    share_cpu
    new_port
    rm -f "$LOG"
    for ((i = 0; i < CONNECTIONS; i++)); do
        steps+=(accept readslow:65536:1 close)
    done
    serve "$PORT" "${steps[@]}"
    ended=0
    NOTIMEWAIT_LOG=$LOG preload "$1" "$BUILD/tests/ends" "$PORT" "$2" || ended=$?
    finish server >"$BATS_TEST_TMPDIR/read" || true
    settle "$PORT"
}

# status_of WAY: the client's exit status, as the shell has it.
status_of() {
    case $1 in
    abort) echo 134 ;;
    KILL) echo 137 ;;
    TERM) echo 143 ;;
    SEGV) echo 139 ;;
    *) echo 0 ;;
    esac
}

# all_arrived WAY: status, bytes and EOF are what they would be without the library.
all_arrived() {
    echo "status $ended:"
    cat "$BATS_TEST_TMPDIR/read"
    [ "$ended" -eq "$(status_of "$1")" ]
    [ "$(grep -Fxc "readslow $BYTES EOF" "$BATS_TEST_TMPDIR/read")" -eq "$CONNECTIONS" ]
}

# records: how many there are of each kind.
records() {
    [ ! -e "$LOG" ] ||
        jq -r '"\(.via) \(.action) \(.reason) \(.close_us) \(.last_op)"' "$LOG" | sort | uniq -c |
        sed 's/^ *//'
}

# kernel_carries WAY...: no TIME_WAIT.
kernel_carries() {
    local way wanted="$CONNECTIONS exit fin-rst exit null write"
    [[ $1 != -n ]] || { wanted='' && shift; }
    for way; do
        echo "fin-rst, $way:"
        ends fin-rst "$way"
        all_arrived "$way"
        [ -z "$(states "$PORT")" ]
        [ "$(records)" = "$wanted" ]
    done
}

# plain_close WAY...: under the others it is as without the library.
plain_close() {
    local policy way wanted="$CONNECTIONS exit none exit null write"
    [[ $1 != -n ]] || { wanted='' && shift; }
    for policy in auto abort drain last-read; do
        for way; do
            echo "$policy, $way:"
            ends "$policy" "$way"
            all_arrived "$way"
            [ "$(time_wait_client "$PORT")" -eq "$CONNECTIONS" ]
            [ "$(records)" = "$wanted" ]
        done
    done
}

@test "without the library: every byte arrives, and each connection leaves TIME_WAIT" {
    LIB=
    for way in return KILL exec; do
        ends off "$way"
        all_arrived "$way"
        [ "$(time_wait_client "$PORT")" -eq "$CONNECTIONS" ]
    done
}

@test "return, exit, quick_exit, _exit, _Exit, and exit in a handler or a thread" {
    kernel_carries "${TOLD[@]}"
}

@test "the same pull no lever" {
    plain_close "${TOLD[@]}"
}

@test "exit_group, abort, SIGKILL, SIGTERM, SIGSEGV and exec" {
    kernel_carries -n "${UNTOLD[@]}"
}

@test "these pull no lever, either" {
    plain_close -n "${UNTOLD[@]}"
}

@test "an exec that fails along PATH ends nothing" {
    kernel_carries failed-exec
    plain_close failed-exec
}

@test "what was over before the end: no lever is said to be armed" {
    serve "$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG preload fin-rst act "connect:$PORT" write:10 shutdown:wr wait-state:CLOSE exit
    finish server
    [[ $(jq -r '[.via, .action, .state] | join(" ")' "$LOG") == 'exit none CLOSE' ]]
}

@test "a listener, and what never connected: nothing is told of them" {
    local end
    for end in exit _exit quick_exit; do
        NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_STATS=$LOG.stats run preload fin-rst act "listen:$PORT" \
            socket@b connect:1@c "$end"
        echo "$output"
        [[ $status -eq 0 && ! -e $LOG ]]
    done
    [[ $(jq '.policies[0].closes' "$LOG.stats" | xargs) == '0 0 0' ]]
}

# crowd POLICY: many short connections, while the process ends; the server sees their ends.
crowd() {
    new_port
    rm -f "$LOG"
    serve "$PORT" loop:100000:loud accept readall close end
    NOTIMEWAIT_LOG=$LOG preload "$1" timeout 20 "$BUILD/tests/ends" "$PORT" busy
    preload fin-rst act "connect:$PORT" write:7 close >/dev/null # the last
    wait_output server '^readall 7 EOF' 10000
    settle "$PORT"
    output_of server | sed '/^readall 7 /,$d' >"$BATS_TEST_TMPDIR/read"
}

# none OPTION... REGEX FILE: no line matches; prints those that do.
none() {
    if grep -E "$@"; then false; fi
}

@test "exit while threads open, use and close connections" {
    local records=0
    for policy in auto fin-rst last-read; do
        for round in 1 2 3 4 5; do
            echo "$policy, $round:"
            crowd "$policy"
            # Whole requests, or none where the end came before the first byte.
            none -vx '(listen|accept|close) [0-9]+|readall (0|1000) EOF' "$BATS_TEST_TMPDIR/read"
            # A connection is told of once at most, and only by a way that there is. (The kernel
            # may cut the last record, where it kills the thread that is writing it.)
            touch "$LOG" # where the end came before the first close
            sed -i '/}$/!d' "$LOG"
            records=$((records + $(wc -l <"$LOG")))
            [ "$(jq -s length "$LOG")" -le "$(grep -c '^accept' "$BATS_TEST_TMPDIR/read")" ]
            none -v '"via":"(close|exit)"' "$LOG"
            none '"via":"exit".*"(action":"(rst|linger)"|close_us":[0-9])' "$LOG"
            # The end may come between a thread's connect() and what it sets right after: four
            # threads.
            [ "$policy" != fin-rst ] || [ "$(time_wait_client "$PORT")" -le 4 ]
            kill "$(pid_of server)"
            finish server >/dev/null || true
        done
    done
    [ "$records" -gt 0 ]
}

@test "a process that is killed while it is blocked in a hooked call" {
    for policy in auto abort; do
        new_port
        rm -f "$LOG"
        serve "$PORT" accept readall close
        start client env NOTIMEWAIT_LOG="$LOG" LD_PRELOAD="$LIB" NOTIMEWAIT_POLICY="$policy" \
            "$ACT" "connect:$PORT" write:1000 say:blocks read:1
        wait_output client '^say blocks'
        kill -KILL "$(pid_of client)"
        run finish server
        [[ $output == *$'\nreadall 1000 EOF\n'* ]]
        [ ! -e "$LOG" ]
    done
}
