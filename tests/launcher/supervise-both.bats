# notimewait --by both: what the library handles is not handled a second time from outside, what it
# does not see is handled there, and what needs the library is refused where it is not.
# shellcheck disable=SC2016 # the inner shell's variables
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
load ../lib/board
load ../lib/recycling
bats_require_minimum_version 1.5.0

share_cpu # each TIME_WAIT is counted

# client: a static one, which the library does not see.
client() {
    [[ -x $BATS_FILE_TMPDIR/static-client ]] ||
        gcc -O2 -static -o "$BATS_FILE_TMPDIR/static-client" examples/legacy-client.c
    echo "$BATS_FILE_TMPDIR/static-client"
}

serve_legacy() {
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply
    wait_output server '^ready'
}

# births PROGRAM: of the board, how many connections of it began; recycled: how many by a port that
# was taken over.
births() {
    total connections "^$1 "
}

recycled() {
    total recycled "^$1 "
}

@test "auto with few ports: each connection is seen to once, by the library or from outside" {
    local there
    serve_legacy
    ports 100
    run "$START" --by both --log "$LOG" --board "$BOARD" sh -c '
        "$0" --port "$2" --reply --connections 600 && exec "$1" --port "$2" --reply --connections 300' \
        "$BUILD/examples/legacy-client" "$(client)" "$PORT"
    echo "$output"
    [[ $status -eq 0 && $(grep -c '^connections=[36]00 failed=0 errors=0 ' <<<"$output") -eq 2 ]]
    board_cells
    there=$(jq 'select(.recycled)' -c "$LOG" | wc -l)
    # The library's are in its log; what supervision did is on the board alone.
    [[ $(wc -l <"$LOG") -eq 600 && $there -ge 400 ]]
    [[ $(births legacy-client) -eq 600 && $(recycled legacy-client) -eq $there ]]
    [[ $(births static-client) -eq 300 && $(recycled static-client) -ge 150 ]]
}

@test "a split is drawn once: the library's log and the board agree" {
    local policy
    serve_legacy
    "$START" --by both -p 'off|fin-rst' --log "$LOG" --board "$BOARD" "$BUILD/examples/legacy-client" \
        --port "$PORT" --reply --connections 100
    board_cells
    for policy in off fin-rst; do
        [[ $(total connections "^legacy-client $policy ") -eq $(json policy "$LOG" | grep -cx "$policy") ]]
    done
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq $(total connections '^legacy-client off ') ]]
}

# gone: no entry of a client is left.
gone() {
    [[ $(time_wait_client "$PORT") -eq 0 ]]
}

@test "--reap: the entries of both are removed" {
    local go=$BATS_TEST_TMPDIR/go
    ss -K state time-wait dport = :1 >/dev/null 2>&1 || skip 'this kernel removes no TIME_WAIT entry'
    serve_legacy
    start parent "$START" --by both -p reap --reap --log "$LOG" sh -c '
        "$0" --port "$2" --reply --connections 20 && "$1" --port "$2" --reply --connections 20
        echo made; exec "$3" "wait-file:$4:20000"' "$BUILD/examples/legacy-client" "$(client)" "$PORT" "$ACT" "$go"
    wait_output parent '^made'
    until_true 10000 gone
    touch "$go"
    finish parent
    [[ $(json policy "$LOG" | grep -cx reap) -eq 20 ]]
}

@test "a static command and a policy that needs the library: refused; one that does not: done" {
    local words
    serve_legacy
    for words in '-p last-read' '-p off|drain' '-r role=client=>linger:1' "--log $LOG"; do
        # shellcheck disable=SC2086 # words
        run "$START" --by both $words "$(client)" --port "$PORT" --reply --connections 1
        echo "$words: $output"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 && $output == 'notimewait: -'* ]]
    done
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 0 ]]
    run "$START" --by both --anyway -p last-read "$(client)" --port "$PORT" --reply --connections 3
    [[ $status -eq 0 && $output == *'connections=3 failed=0 '* ]]
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 3 ]] # it acts as auto
    run "$START" --by both -p fin-rst "$(client)" --port "$PORT" --reply --connections 3
    settle "$PORT"
    [[ $status -eq 0 && $(time_wait_client "$PORT") -eq 3 ]]
}
