# notimewait advise: what it measures, and the least invasive remedy.
# shellcheck disable=SC2154 # what run sets
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
load ../lib/recycling
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait

@test "a server that has unread input is named; entries of servers take no port" {
    serve "$PORT" accept readall close accept "wait-file:$BATS_TEST_TMPDIR/go:20000" close
    act "connect:$PORT" write:5 close
    start late act "connect:$PORT" write:5 readall close
    wait_output late '^write'
    run "$START" advise -- sh -c "sleep 1.2; touch '$BATS_TEST_TMPDIR/go'"
    finish late
    echo "$output"
    [[ $status -eq 0 && $output == *'1 sockets of this service had unread input: fin-rst may harm it'* ]]
}

# Before others, which leave more entries.
@test "entries of a server that has ended are a server's still" {
    share_cpu
    serve "$PORT" loop:30 accept write:1 close end
    act quiet loop:30 "connect:$PORT" readall close end
    finish server
    run "$START" advise --seconds 1
    echo "$output"
    [[ $(time_wait_server "$PORT") -eq 30 ]]
    [[ ! $output =~ 127\.0\.0\.1:[3-6][0-9]{4} ]] # a client's port
}

@test "several services: the busiest decides, the next five have a line each" {
    local count entries
    ports 2000
    for count in 3 9 7 1 5 8 4; do
        PORT=$(port)
        left_behind $count
        entries[count]=$PORT
    done
    run "$START" advise --seconds 1
    echo "$output"
    [[ $output == *"TIME_WAIT           127.0.0.1:${entries[9]}: 9 now"* ]]
    [[ $output == *"the next ones       127.0.0.1:${entries[8]}: 8 now, 8 at most; 0.0 new a second"$'\n'"                    127.0.0.1:${entries[7]}: 7 now"*"127.0.0.1:${entries[5]}: 5 now"*"127.0.0.1:${entries[4]}: 4 now"*"127.0.0.1:${entries[3]}: 3 now"* ]]
    [[ $output =~ besides\ +([0-9]+)\ entries\ to && ${BASH_REMATCH[1]} -ge 1 && $output != *":${entries[1]}: 1 now"* ]]
}

@test "few entries, or none: nothing to do" {
    run "$START" advise --seconds 1
    echo "$output"
    [[ $status -eq 0 && ${lines[0]} == 'remedy: nothing to do: '* ]]
    ports 2000
    left_behind 20
    run "$START" advise --seconds 1
    echo "$output"
    [[ ${lines[0]} == 'remedy: nothing to do: '* && $output == *"127.0.0.1:$PORT: 20 now, 20 at most"* ]]
}

@test "half of the ports: a sysctl, with what it gives; and the other ways" {
    ports 300
    left_behind 200
    run "$START" advise --seconds 1
    echo "$output"
    [[ ${lines[0]} == 'remedy: sysctl net.ipv4.tcp_tw_reuse=1 (root'* ]]
    [[ $output == *': 200 now, 200 at most; '*' new a second; our side closed first'* ]]
    [[ $output == *'300 connections/s to one peer in place of 5'* && $output == *': 300, 100 left'* ]]
    [[ $output == *keep-alive* && $output == *'without root: notimewait COMMAND, policy auto'* ]]
    # where the kernel does that already
    echo 2 >/proc/sys/net/ipv4/tcp_tw_reuse
    run "$START" advise --seconds 1
    echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse
    echo "$output"
    [[ ${lines[0]} == 'remedy: nothing to do: the kernel uses these ports again'* ]]
    # without timestamps nothing else helps
    echo 0 >/proc/sys/net/ipv4/tcp_timestamps
    run "$START" advise --seconds 1
    echo 1 >/proc/sys/net/ipv4/tcp_timestamps
    [[ ${lines[0]} == 'remedy: sysctl net.ipv4.tcp_timestamps=1'* ]]
}

@test "many entries a second: both sysctls, where one alone does not give enough" {
    local delay=/proc/sys/net/ipv4/tcp_tw_reuse_delay
    [[ -e $delay ]] || skip 'this kernel has no tcp_tw_reuse_delay (Linux 6.14)'
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply
    wait_output server '^ready'
    ports 300
    echo 60000 >$delay # so that five a second are too many, and no fast machine is needed
    run --separate-stderr "$START" advise -- "$BUILD/examples/legacy-client" --port "$PORT" --reply --connections 200
    echo 1000 >$delay
    echo "$output"
    [[ ${lines[0]} == 'remedy: sysctl net.ipv4.tcp_tw_reuse=1 net.ipv4.tcp_tw_reuse_delay=1 (root'* ]]
    [[ $output == *'it would give       300000 connections/s to one peer in place of 5'$'\n'* && $output == *'a second source address'* ]]
}

@test "a command: watched to its end, its output apart, its way named; a rate" {
    gcc -O2 -static -o "$BATS_TEST_TMPDIR/client" examples/legacy-client.c
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply
    wait_output server '^ready'
    ports 300
    run --separate-stderr "$START" advise -- bash -c "'$BATS_TEST_TMPDIR/client' --port $PORT --reply --connections 200; sleep 1.2"
    echo "$output" "${stderr:=}" # bats has set it
    [[ $status -eq 0 && ${lines[0]} == 'remedy: sysctl'* && $stderr == *'connections=200'* ]]
    [[ $output =~ \ ([0-9.]+)\ new\ a\ second && ${BASH_REMATCH[1]%.*} -gt 10 ]]
    run --separate-stderr "$START" advise "$BATS_TEST_TMPDIR/client" --port "$PORT" --reply --connections 1
    echo "$output"
    [[ $output == *'notimewait --by supervise COMMAND'* ]]
}

@test "a command that a preload reaches: how long its connects took, and which failed" {
    local known='[0-9]+ of the command, [0-9]+ us in the median, [0-9]+ us at p99'
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply
    wait_output server '^ready'
    ports 300
    TMPDIR=$BATS_TEST_TMPDIR run --separate-stderr "$START" advise "$BUILD/examples/legacy-client" --port "$PORT" \
        --reply --connections 400
    echo "$output" "${stderr:=}"
    [[ $status -eq 1 && ${lines[0]} == 'remedy: sysctl'* && $stderr == *'connections=300'* ]] # the command's
    [[ $output =~ $known && $output == *'1 failed: EADDRNOTAVAIL, no port was left'* ]]
    [[ $output == *'300, 0 left'*'perhaps more than is seen'* ]]
    [[ $output != *'how long connect() takes'* && -z $(compgen -G "$BATS_TEST_TMPDIR/notimewait-*") ]]
    # Where it cannot come along, nothing is preloaded: with auto 400 would be made.
    ports 300
    TMPDIR=/nowhere run --separate-stderr "$START" advise "$BUILD/examples/legacy-client" --port "$PORT" --reply \
        --connections 400
    [[ $stderr == *'connections=300 '* && $output == *'how long connect() takes'* ]]
    # What the user has set for the command stands.
    ports 300
    NOTIMEWAIT_POLICY=fin-rst LD_PRELOAD=$LIB run --separate-stderr "$START" advise "$BUILD/examples/legacy-client" \
        --port "$PORT" --reply --connections 400
    echo "$output"
    [[ $stderr == *'connections=400'* && ! $output =~ $known && $output == *'how long connect() takes'* ]]
}

@test "a command and --seconds: the report comes then, the command goes on, and its status is ours" {
    local client="$BUILD/examples/legacy-client"
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply
    wait_output server '^ready'
    ports 2000
    mkdir "$BATS_TEST_TMPDIR/made"
    TMPDIR=$BATS_TEST_TMPDIR/made start advise "$START" advise --seconds 3 -- sh -c "'$client' --port $PORT --reply \
        --connections 100; '$ACT' wait-file:$BATS_TEST_TMPDIR/go:20000; '$client' --port $PORT --reply \
        --connections 30; echo and on; exit 7"
    wait_output advise '^not known ' 10000
    run has_ended advise
    [[ $status -ne 0 ]]
    [[ $(output_of advise) == *': 100 now, 100 at most'*'100 of the command, '*' us in the median'* ||
        $(output_of advise) == *'100 of the command, '*' us in the median'*': 100 now, 100 at most'* ]]
    sleep 0.7
    dropped() {
        [[ $(find "$BATS_TEST_TMPDIR/made" -type f -size +0 | wc -l) -eq 0 ]]
    }
    until_true 5000 dropped # what nobody reads
    touch "$BATS_TEST_TMPDIR/go"
    run finish advise
    echo "$output"
    [[ $status -eq 7 && $output == *'and on'* && $(grep -c '^remedy: ' <<<"$output") -eq 1 ]]
    [[ -z $(compgen -G "$BATS_TEST_TMPDIR/made/*") ]]
}

@test "a command without --seconds: until it ends; its status, and a signal's, are ours" {
    run --separate-stderr "$START" advise sh -c 'sleep 1.2; exit 3'
    echo "$output"
    [[ $status -eq 3 && ${lines[0]} == 'remedy: '* ]]
    # shellcheck disable=SC2016 # the inner shell's
    run --separate-stderr "$START" advise sh -c 'kill -TERM $$'
    [[ $status -eq 143 && ${lines[0]} == 'remedy: '* ]]
    run --separate-stderr "$START" advise /no/such/command
    [[ $status -eq 127 && -z $output ]]
}

@test "a process: only the services that it connects to" {
    local other
    ports 300
    left_behind 200
    other=$(port)
    start peer act "listen:$other" accept readall close
    wait_output peer '^listen'
    start client "$ACT" "connect:$other" "wait-file:$BATS_TEST_TMPDIR/go:20000" close
    wait_output client '^connect'
    run "$START" advise --seconds 1 --pid "$(pid_of client)"
    touch "$BATS_TEST_TMPDIR/go"
    finish client
    finish peer
    echo "$output"
    [[ $status -eq 0 && ${lines[0]} == 'remedy: nothing to do: no connection of a client here'* ]]
    [[ $output =~ besides\ +([0-9]+)\ entries\ to && ${BASH_REMATCH[1]} -ge 200 ]]
}

@test "bad usage: one line, status 2; no such process: 1" {
    local words
    for words in '--seconds 0' '--seconds x' '--pid x' '--nonsense' '--pid 1 true'; do
        # shellcheck disable=SC2086 # words
        run "$START" advise $words
        echo "$output"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 ]]
    done
    run "$START" advise --pid 999999999
    [[ $status -eq 1 && $output == *'there is no such process' ]]
}

@test "a process without a connection: it says that all this is not of it" {
    ports 300
    left_behind 50
    start idle sleep 20
    run "$START" advise --seconds 1 --pid "$(pid_of idle)"
    echo "$output"
    [[ $status -eq 0 && ${lines[-1]} =~ ^process\ +none\ of\ its\ connections\ was\ seen ]]
}

@test "how soon the kernel uses ports again is what tcp_tw_reuse_delay says" {
    local delay=/proc/sys/net/ipv4/tcp_tw_reuse_delay
    [[ -e $delay ]] || skip 'this kernel has no tcp_tw_reuse_delay (Linux 6.14)'
    ports 300
    left_behind 200
    echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse
    echo 2500 >$delay
    run "$START" advise --seconds 1
    echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse
    echo 1000 >$delay
    echo "$output"
    [[ ${lines[0]} == 'remedy: nothing to do: the kernel uses these ports again after 2500 ms, and that is enough' ]]
    [[ $output == *'tcp_tw_reuse=1, tcp_tw_reuse_delay: 2500 ms'* ]]
}
