# NOTIMEWAIT_SPLIT: what an arm is drawn for, and what the board keeps of slots.
# shellcheck disable=SC2154 # what helper sets
load ../lib/helper
load ../lib/board
load ../lib/clock

@test "process: one arm for each process, forked children included" {
    serve "$PORT" loop:120 accept readall close end
    NOTIMEWAIT_SPLIT=process NOTIMEWAIT_LOG=$LOG boarded 'off|fin-rst' python3 -c '
import os, socket, sys
for i in range(20):
    if os.fork() == 0:
        for j in range(5): socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
        os._exit(0)
    os.wait()' "$PORT"
    run jq -rs 'group_by(.pid) | map(map(.policy) | unique | length) | unique[]' "$LOG"
    [[ $output == 1 ]]
    [[ $(jq -rs 'group_by(.policy) | map(length) | length' "$LOG") == 2 ]]
}

@test "slot: all connections of a moment have one arm, and its slot counts them, but for wash-out" {
    local start word
    export NOTIMEWAIT_SPLIT=slot:100 NOTIMEWAIT_SEED=5
    serve "$PORT" loop:60 "${answer[@]}" end
    for start in 1000 1100 1200 1300; do
        at $((start + 60)) 'off|fin-rst' act loop:5 "connect:$PORT" "${exchange[@]}" end \
            connect:1
        at $((start + 49)) 'off|fin-rst' act loop:3 "connect:$PORT" "${exchange[@]}" end
    done
    board_cells
    board_cells slots
    [[ $(total connections ' 0 conn') -eq 20 && $(total connections ' 1 conn') -eq 12 ]]
    [[ $(board_cells slots | wc -l) -eq 4 ]]
    # START POLICYWORD LENGTH BLOCK connections failed no_port io_errors times
    for start in 1000 1100 1200 1300; do
        word=$("$BUILD/tests/slots" 'off|fin-rst' 5 - $((start / 100)) 1 | tail -n 1)
        word=$((word * (2 << 24)))
        board_cells slots | grep -qx "$start $word 100 2 5 1 0 0 5"
    done
}

@test "slot: the ring goes round, and another split at the same time is counted as such" {
    export NOTIMEWAIT_SPLIT=slot:10
    serve "$PORT" loop:20 "${answer[@]}" end
    at 1009 'off|auto' act loop:3 "connect:$PORT" "${exchange[@]}" end
    [[ $(board_cells slots | awk '{ print $1, $5 }') == '1000 3' ]]
    at $((1009 + 10240)) 'off|auto' act loop:2 "connect:$PORT" "${exchange[@]}" end
    [[ $(board_cells slots | awk '{ print $1, $5 }') == '11240 2' ]]
    # late: the place has gone to a later slot
    at 1009 'off|auto' act loop:3 "connect:$PORT" "${exchange[@]}" end
    [[ $(board_cells slots | awk '{ print $1, $5 }') == '11240 2' ]]
    at $((1009 + 10240)) 'abort|delay:1' act loop:4 "connect:$PORT" "${exchange[@]}" end
    [[ $(board_cells slots | awk '{ print $1, $5 }') == '11240 2' ]]
    # what is missed is counted: the 8 bytes behind the head
    [[ $(od -An -t u8 -j 64 -N 8 "$BOARD/counters") -eq 7 && $(total connections) -eq 12 ]]
}

@test "a rule without a split has no part in slots; no board, the same arms" {
    export NOTIMEWAIT_SPLIT=slot:10 NOTIMEWAIT_RULES='port=1-65535 => fin-rst'
    serve "$PORT" loop:4 "${answer[@]}" end
    at 1009 'off|auto' act loop:2 "connect:$PORT" "${exchange[@]}" end
    [[ -z $(board_cells slots) && $(total connections ' fin-rst 0') -eq 2 ]]
    unset NOTIMEWAIT_RULES
    clock_at 1009
    NOTIMEWAIT_LOG=$LOG LIB=$LIB:$BATS_FILE_TMPDIR/clock.so preload 'fin-rst|abort' act loop:2 \
        "connect:$PORT" "${exchange[@]}" end
    [[ $(json policy "$LOG" | sort -u | wc -l) -eq 1 ]]
}

@test "connection, process, slot:10 to slot:86400; anything else is one line" {
    local good bad
    for good in connection process slot:10 slot:86400; do
        run "$BUILD/tests/config" "NOTIMEWAIT_SPLIT=$good"
        [[ $status -eq 0 ]]
    done
    for bad in slot slot: slot:9 slot:86401 slot:1x time host; do
        run "$BUILD/tests/config" "NOTIMEWAIT_SPLIT=$bad"
        echo "$output"
        [[ $status -eq 2 && $output == "libnotimewait: NOTIMEWAIT_SPLIT: '$bad' is not accepted; accepted: connection, process, slot:SECONDS (SECONDS 10-86400); no policy is in force" ]]
    done
}
