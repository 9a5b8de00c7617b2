# NOTIMEWAIT_BOARD: what processes count is there while they run, and after they were killed.
# shellcheck disable=SC2154 # what helper sets
load ../lib/helper
load ../lib/board

@test "a process counts while it runs: connections, closes, times, and whom it connects to" {
    serve "$PORT" loop:3 "${answer[@]}" end
    start client boarded auto act loop:2 "connect:$PORT" "${exchange[@]}" end say:two \
        "connect:$PORT" write:1 readn:1 say:open sleep:20000
    wait_output client '^say open'
    run board_cells
    echo "$output"
    [[ $output == "act auto 0 connections=3 closes=2 recycled=0 rst=0 connect_times=3 close_times=2 peer=::ffff:127.0.0.1:$PORT" ]]
    [[ $(stat -c '%a %U' "$BOARD" "$BOARD/counters" "$BOARD/switch" | xargs) == "700 $(id -un) 600 $(id -un) 600 $(id -un)" ]]
}

@test "nothing is lost: one worker is killed, one execs, one lives, one has left root and user" {
    serve "$PORT" loop:70 "${answer[@]}" end
    start killed boarded auto act loop:20 "connect:$PORT" "${exchange[@]}" end say:done sleep:20000
    start execs boarded auto python3 -c '
import os, socket, sys
for i in range(10):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.send(b"x"); s.recv(1); s.close()
os.execv(sys.argv[2], sys.argv[2:])' "$PORT" "$ACT" loop:5 "connect:$PORT" "${exchange[@]}" end
    start lives boarded auto act loop:15 "connect:$PORT" "${exchange[@]}" end say:done sleep:20000
    start leaves boarded auto python3 -c '
import os, socket, sys
os.chroot(sys.argv[2])
os.setuid(12345)
for i in range(20):
    s = socket.socket()
    s.connect(("127.0.0.1", int(sys.argv[1])))
    s.send(b"x"); s.recv(1); s.close()
print("done", flush=True)
try: open("/switch", "r+")
except PermissionError: print("denied", flush=True)
' "$PORT" "$BOARD"
    wait_output killed '^say done'
    kill -KILL "$(pid_of killed)"
    run finish killed
    [[ $status -eq 137 ]]
    wait_output lives '^say done'
    finish execs
    finish leaves
    [[ $(output_of leaves) == *denied* ]]
    board_cells
    [[ $(total connections) -eq 70 && $(total closes) -eq 70 ]]
}

@test "failed connects by errno, also of a non-blocking connect; reads that fail" {
    boarded off act loop:3 connect:1 close end
    boarded off act connect-nonblock:1 connect-wait close
    serve "$PORT" accept readn:1 linger:1:0 close
    boarded off act "connect-nonblock:$PORT" connect-wait write:1 wait-state:CLOSE readall close
    finish server
    run board_cells
    echo "$output"
    [[ $output == 'act off 0 connections=1 closes=1 '*"broken=1 connect_errors.111=4 io_errors.104=1 "* ]]
}

@test "a non-blocking connection counts, whatever its program asks" {
    serve "$PORT" loop:2 "${answer[@]}" end
    boarded auto act "connect-nonblock:$PORT" connect-wait "${exchange[@]}"
    boarded auto python3 -c '
import select, socket, sys
s = socket.socket(); s.setblocking(False)
try: s.connect(("127.0.0.1", int(sys.argv[1])))
except BlockingIOError: pass
select.select([], [s], []); s.send(b"x"); select.select([s], [], []); s.recv(1); s.close()' "$PORT"
    finish server
    board_cells
    [[ $(total connections) -eq 2 && $(total closes) -eq 2 ]]
}

@test "forked children count on the same board" {
    serve "$PORT" loop:30 "${answer[@]}" end
    boarded fin-rst python3 -c '
import os, socket, sys
for i in range(3):
    if os.fork() == 0:
        for j in range(5): socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
        os._exit(0)
for i in range(3): os.wait()' "$PORT"
    board_cells
    [[ $(total connections 'fin-rst') -eq 15 ]]
}

@test "when the cells are used up, one without a name counts" {
    serve "$PORT" loop:10 "${answer[@]}" end
    "$START" board "$BOARD"
    # Each state but CELL_FREE is taken.
    python3 - "$BOARD/counters" <<'END'
import struct, sys
with open(sys.argv[1], 'r+b') as f:
    for i in range(128):
        f.seek(128 + i * 13912)
        f.write(struct.pack('=I', 1))
END
    boarded auto act loop:10 "connect:$PORT" "${exchange[@]}" end
    run board_cells
    echo "$output"
    [[ $output == '- other 0 connections=10 closes=10 '* ]]
}

# refused WHY: a client says why the board is not used, in one line, and connects under auto.
refused() {
    run boarded auto act "connect:$PORT" "${exchange[@]}"
    echo "$output"
    [[ $status -eq 0 && $(grep -c '^libnotimewait: NOTIMEWAIT_BOARD: ' <<<"$output") -eq 1 ]]
    [[ ${lines[0]} == "libnotimewait: NOTIMEWAIT_BOARD: '$BOARD' is not used: $1"*'; policies still apply' ]]
}

@test "a board that does not fit is one line, and not used" {
    serve "$PORT" loop:20 "${answer[@]}" end
    "$START" board "$BOARD"
    chmod 666 "$BOARD/switch"
    refused 'others than its owner may write to it'
    chmod 600 "$BOARD/switch"
    chown 12345 "$BOARD/counters"
    refused "it is another user's"
    chown 0 "$BOARD/counters"
    printf '\2' | dd of="$BOARD/switch" bs=1 seek=8 conv=notrunc status=none
    refused 'it is of another version'
    BOARD=/proc/self/root$BOARD/counters refused "it is not the launcher's" # but a file that can be cut off
    truncate -s 1000 "$BOARD/counters"
    refused "it has another size than this version's"
    truncate -s 0 "$BOARD/counters"
    truncate -s 3621592 "$BOARD/counters"
    refused 'it is no board'
    rm "$BOARD/counters"
    mkdir "$BOARD/counters"
    refused 'it cannot be opened: Is a directory'
    rm -r "$BOARD"
    ln -s /sys "$BOARD"
    refused 'it is not on tmpfs'
    rm "$BOARD"
    : >"$BOARD"
    refused 'it cannot be opened: Not a directory'
    BOARD=/nonexistent/board
    refused 'it cannot be made: No such file or directory'
}

@test "a board on a disk, on a full tmpfs, or read-only is refused" {
    serve "$PORT" loop:20 "${answer[@]}" end
    BOARD=$BATS_TEST_TMPDIR/board
    if [[ $(stat -f -c %T "$BATS_TEST_TMPDIR") != tmpfs ]]; then
        refused 'it is not on tmpfs'
        run "$START" board "$BOARD"
        [[ $status -eq 1 && $output == "notimewait: $BOARD: it is not on tmpfs"* && ! -e $BOARD ]]
        mkdir "$BOARD"
        refused 'it is not on tmpfs'
        [[ -z $(ls "$BOARD") ]]
    fi
    unshare -m true || skip 'may not mount'
    BOARD=$SHM/board
    mount -t tmpfs -o size=2m tmpfs "$SHM"
    refused 'its files cannot be made: No space left on device'
    [[ $(echo "$BOARD"/*) == "$BOARD/switch" ]]
    mount -o remount,size=16m "$SHM"
    "$START" board "$BOARD"
    # A sparse file of the right size is filled.
    cp --sparse=always "$BOARD/counters" "$SHM/sparse"
    mv "$SHM/sparse" "$BOARD/counters"
    boarded auto act "connect:$PORT" "${exchange[@]}"
    [[ $(stat -c %b "$BOARD/counters") -ge 7073 && $(total connections) -eq 1 ]]
    mount -o remount,ro "$SHM"
    refused 'it cannot be opened: Read-only file system'
}

@test "the directory deleted, the files replaced: a process that has mapped them goes on" {
    serve "$PORT" loop:20 "${answer[@]}" end
    start client boarded auto act loop:5 "connect:$PORT" "${exchange[@]}" end say:first \
        wait-file:"$BATS_TEST_TMPDIR/go" loop:5 "connect:$PORT" "${exchange[@]}" end
    wait_output client '^say first'
    rm -r "$BOARD"
    "$START" board "$BOARD"
    touch "$BATS_TEST_TMPDIR/go"
    run finish client
    echo "$output"
    [[ $status -eq 0 && $output != *libnotimewait* && $(total connections) -eq 0 ]]
}

@test "forty processes that make the board and claim cells at once: nothing is lost" {
    serve "$PORT" loop:40 accept readall close end
    local pids=()
    for _ in {1..40}; do
        boarded auto act "connect:$PORT" close >/dev/null 3>&- &
        pids+=($!)
    done
    wait "${pids[@]}"
    finish server
    board_cells
    [[ $(total connections) -eq 40 && $(total closes) -eq 40 ]]
    [[ $(echo "$BOARD"/*) == "$BOARD/counters $BOARD/switch" ]]
}

@test "what a process left that died while it made the board is in nobody's way" {
    serve "$PORT" "${answer[@]}"
    mkdir -m 700 "$BOARD"
    # shellcheck disable=SC2016 # the inner shell's: the next process has its pid
    run env NOTIMEWAIT_BOARD="$BOARD" sh -c 'touch "$0/counters.$$" "$0/switch.$$" && exec env LD_PRELOAD="$@"' \
        "$BOARD" "$LIB" "$ACT" "connect:$PORT" "${exchange[@]}"
    echo "$output"
    [[ $output != *libnotimewait:* && $(echo "$BOARD"/*) == "$BOARD/counters $BOARD/switch" ]]
    [[ $(total connections) -eq 1 ]]
}

@test "notimewait board makes one, --board names it, also to a command that changes directory" {
    serve "$PORT" loop:3 "${answer[@]}" end
    run "$START" board "$BOARD"
    [[ $status -eq 0 && -z $output ]]
    run "$START" board "$BOARD"
    [[ $status -eq 1 && $output == "notimewait: $BOARD: there is a board already: File exists" ]]
    cd "$SHM"
    # shellcheck disable=SC2016 # the command's
    "$START" --board board sh -c 'cd / && exec "$0" "$@"' "$ACT" "connect:$PORT" "${exchange[@]}"
    [[ $(total connections) -eq 1 ]]
    "$START" --board other "$ACT" "connect:$PORT" "${exchange[@]}"
    BOARD=$SHM/other
    [[ $(total connections) -eq 1 ]]
    run "$START" board /proc/nonexistent
    [[ $status -eq 1 ]]
    run "$START" board
    [[ $status -eq 2 ]]
}
