# notimewait attach: the listening sockets of a server that runs are armed, and set back.
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
load ../lib/each-policy
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait
share_cpu # each TIME_WAIT is counted

# serve_itself STEP...: act as `server`, a process of its own, that listens on PORT.
serve_itself() {
    start server "$ACT" "listen:$PORT" "$@"
    wait_output server '^listen '
}

# closes_first COUNT: so many connections that the server closes first; what they leave there.
closes_first() {
    act loop:"$1" "connect:$PORT" write:1 readall close end >/dev/null
    settle "$PORT"
    time_wait_server "$PORT"
}

@test "a running server: no TIME_WAIT once it is attached, and again when it is set back" {
    serve_itself loop:100 accept readn:1 write:1 close end
    [[ $(closes_first 10) -eq 10 ]]
    run "$START" attach "$(pid_of server)"
    echo "$output"
    [[ $status -eq 0 && ${lines[0]} == "listener 127.0.0.1:$PORT, fd "*" of act ($(pid_of server)): fin-rst" ]]
    [[ $output == *'not reached: connections that it opens itself'* ]]
    [[ $(closes_first 10) -eq 10 ]]
    run "$START" attach "$(pid_of server)"
    [[ $status -eq 0 && ${lines[0]} == *'fin-rst already' ]]
    run "$START" attach -p off "$(pid_of server)"
    [[ $status -eq 0 && ${lines[0]} == *'off: as the kernel does by itself' ]]
    [[ $(closes_first 10) -eq 20 ]]
}

@test "connections that are open: only with --connections, and back" {
    serve_itself accept "wait-file:$BATS_TEST_TMPDIR/go:20000" getlinger2 close
    start client act "connect:$PORT" readall close
    wait_output client '^connect'
    until_true 5000 grep -q '^accept' "$BATS_TEST_TMPDIR/server.out"
    run "$START" attach "$(pid_of server)"
    [[ $output != *'connection '* && $output == *'--connections arms them'* ]]
    run "$START" attach -p off --connections "$(pid_of server)"
    [[ $status -eq 0 && $output == *"connection 127.0.0.1:$PORT to 127.0.0.1:"*': off already'* ]]
    run "$START" attach --connections "$(pid_of server)"
    echo "$output"
    [[ $status -eq 0 && $output == *"connection 127.0.0.1:$PORT to 127.0.0.1:"*": fin-rst"* ]]
    touch "$BATS_TEST_TMPDIR/go"
    run finish server
    [[ $output == *'getlinger2 -1'* ]]
    finish client
}

@test "--tree: the sockets of its children, a shared one once" {
    start server "$ACT" "listen:$PORT" fork use:m "listen:$((PORT + 5000))" "wait-file:$BATS_TEST_TMPDIR/go:20000" exit end \
        say:ready wait
    wait_output server "^listen .*$((PORT + 5000))|^listen@m|$((PORT + 5000))"
    run "$START" attach "$(pid_of server)"
    echo "$output"
    [[ $(grep -c '^listener' <<<"$output") -eq 1 ]]
    run "$START" attach --tree "$(pid_of server)"
    echo "$output"
    [[ $status -eq 0 && $(grep -c '^listener' <<<"$output") -eq 2 ]]
    [[ $(grep -c "127.0.0.1:$PORT, .*fin-rst already" <<<"$output") -eq 1 ]]
    touch "$BATS_TEST_TMPDIR/go"
    finish server
}

@test "what is missing is said: no process, no permission, no listener, bad usage" {
    run "$START" attach 999999999
    [[ $status -eq 1 && $output == 'notimewait: attach: 999999999: there is no such process' ]]
    serve_itself accept close
    run setpriv --reuid=65534 --clear-groups --bounding-set=-all --inh-caps=-all "$START" attach "$(pid_of server)"
    echo "$output"
    [[ $status -eq 1 && $output == *'its sockets may not be copied: that needs '*CAP_SYS_PTRACE* ]]
    run "$START" attach $$
    [[ $status -eq 1 && $output == *'has no listening TCP socket (--tree looks at its children, too)' ]]
    local words
    for words in '' x '-p auto 1' '-p last-read 1' '1 2' '0'; do
        # shellcheck disable=SC2086 # words
        run "$START" attach $words
        echo "$output"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 ]]
    done
}

@test "a linger of the program's own is left alone" {
    start server "$ACT" socket linger:1:1 "bind:$PORT" listen use:l accept close
    wait_output server '^listen'
    run "$START" attach "$(pid_of server)"
    echo "$output"
    [[ $status -eq 0 && $output == *'left alone'* ]]
}

@test "a TCP_LINGER2 of the program's own is left alone, in both directions" {
    start server "$ACT" socket linger2:30 "bind:$PORT" listen use:l accept getlinger2 \
        "wait-file:$BATS_TEST_TMPDIR/go:20000" getlinger2 close
    wait_output server '^listen'
    run "$START" attach "$(pid_of server)"
    echo "$output"
    [[ $status -eq 0 && $output == *": left alone: it has a TCP_LINGER2 of the program's own, 30 s"* ]]
    start client act "connect:$PORT" readall close
    wait_output server '^getlinger2 30'
    run "$START" attach --connections "$(pid_of server)"
    [[ $(grep -c 'left alone: .*, 30 s$' <<<"$output") -eq 2 ]]
    run "$START" attach -p off --connections "$(pid_of server)"
    echo "$output"
    [[ $status -eq 0 && $(grep -c ': off already$' <<<"$output") -eq 2 ]]
    touch "$BATS_TEST_TMPDIR/go"
    run finish server
    [[ $(grep -cx 'getlinger2 30' <<<"$output") -eq 2 ]]
    finish client
}
