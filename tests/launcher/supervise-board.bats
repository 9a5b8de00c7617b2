# notimewait --by supervise --board: what began is counted by program, policy and peer, and the
# switch is obeyed from the next connection on. What is not seen from outside is not known.
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
load ../lib/board

# client CONNECTIONS OPTION...: supervised, with the board.
client() {
    "$START" --by supervise --board "$BOARD" "${@:2}" -- "$BUILD/examples/legacy-client" \
        --port "$PORT" --reply --connections "$1"
}

# left N: so many entries in TIME_WAIT, once the server has closed, too.
left() {
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq $1 ]]
}

# cell POLICY: what its cell says of the client.
cell() {
    board_cells | grep "^legacy-client $1 "
}

@test "births by policy and peer; the switch is obeyed" {
    share_cpu
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply
    wait_output server '^ready'
    client 20 -p fin-rst
    [[ $(cell fin-rst) == *' connections=20 closes=0 recycled=0 '*"peer=::ffff:127.0.0.1:$PORT"* ]]
    left 0
    "$START" switch "$BOARD" off
    client 10 -p fin-rst
    [[ $(cell off) == *' connections=10 '* ]]
    left 10
    "$START" switch "$BOARD" 'fin-rst|fin-rst'
    client 5 -p off
    [[ $(cell fin-rst) == *' connections=25 '* ]]
    left 10
    "$START" switch "$BOARD" reset
    client 5 -p off
    [[ $(cell off) == *' connections=15 '* ]]
    left 15
    run "$START" report "$BOARD"
    echo "$output"
    grep -Eq '^connections +25 +15$' <<<"$output" || grep -Eq '^connections +15 +25$' <<<"$output"
    grep -Eq '^failed connects +- +-$' <<<"$output"
    [[ $output == *'connect_errors: nothing to compare yet'* ]]
}

@test "ports that are taken over are counted" {
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply
    wait_output server '^ready'
    echo '20000 20099' >/proc/sys/net/ipv4/ip_local_port_range
    client 300 -p auto
    run cell auto
    echo "$output"
    [[ $output =~ ' connections=300 '.*' recycled='([0-9]+) && ${BASH_REMATCH[1]} -ge 200 ]]
}

# arms: how many connections each of two policies gets that both take ports over, by one seed.
arms() {
    rm -rf "$BOARD"
    NOTIMEWAIT_SEED=7 client 200 -p 'auto|reap' >"$BATS_TEST_TMPDIR/client" 2>&1 ||
        cat "$BATS_TEST_TMPDIR/client"
    board_cells | sed -nE 's/^legacy-client (\S+) .* connections=([0-9]+) .*/\1 \2/p' | sort
}

@test "a call that waits for a port keeps the policy that was drawn for it" {
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply
    wait_output server '^ready'
    local plenty scarce
    # Ports of which none was taken over before, by another supervisor: connect() leaves those out.
    echo '21000 21999' >/proc/sys/net/ipv4/ip_local_port_range
    plenty=$(arms)
    echo '22000 22007' >/proc/sys/net/ipv4/ip_local_port_range
    scarce=$(arms)
    echo "$plenty; with 8 ports, each of which comes again after 14 ms: $scarce"
    [[ $plenty =~ ^'auto '[1-9] && $plenty == *'reap '[1-9]* && $scarce == "$plenty" ]]
}

# begun N STEP...: act under supervision connects to @, at which a server takes N connections; sets
# begun to how many were counted.
begun() {
    local count=$1
    shift
    PORT=$(port)
    rm -rf "$BOARD"
    serve "$PORT" "loop:$count" accept readall close end
    run "$START" --by supervise --board "$BOARD" -- "$ACT" "${@//@/$PORT}"
    finish server
    echo "$output"
    begun=$(total connections)
}

@test "a connection is counted once, however often connect() is called; after a disconnect anew" {
    begun 1 connect-nonblock:@ connect:@ connect:@ connect-wait:5000 connect:@ write:1 close
    [[ $begun -eq 1 && $output == *EISCONN* ]]
    begun 1 connect:@ shutdown:wr wait-state:CLOSE connect:@ close
    [[ $begun -eq 1 ]]
    begun 2 connect:@ write:1 connect-unspec connect:@ write:1 close
    [[ $begun -eq 2 ]]
}

@test "a board that cannot be used: one line, status 2" {
    mkdir "$BOARD"
    echo nonsense >"$BOARD/counters"
    run client 1 -p auto
    echo "$output"
    [[ $status -eq 2 && ${#lines[@]} -eq 1 && $output == notimewait:*"$BOARD"* ]]
}
