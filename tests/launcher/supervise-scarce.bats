# notimewait --by supervise: where ports are scarce and others take them, too, and where the supervisor
# cannot look at the kernel's sockets for a while.
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
load ../lib/recycling
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait

# all_taken: 64 sockets have PORT as their peer's.
all_taken() {
    [[ $(ss -Htan "dport = :$PORT" | wc -l) -eq 64 ]]
}

@test "ports that were left, and that others have taken since: they are counted anew" {
    local go=$BATS_TEST_TMPDIR/go
    ports 64
    serve "$PORT" loop:33 accept readall close end "wait-file:$BATS_TEST_TMPDIR/end:30000"
    act loop:32 "connect:$PORT" write:1 close end # half: scarce
    settle "$PORT"
    start client "$START" --by supervise "$ACT" time-limit:60 "connect:$PORT@a" "wait-file:$go:30000" write:1@a close@a \
        "connect:$PORT@b" sockname@b
    wait_output client '^connect 0' # and 31 are left, it is counted
    ss -K state time-wait "dport = :$PORT" >/dev/null 2>&1 || true
    [[ $(time_wait_client "$PORT") -eq 0 ]] || skip 'this kernel removes no TIME_WAIT entry'
    start holder act quiet loop:63 fork "connect:$PORT" "wait-file:$BATS_TEST_TMPDIR/end:30000" exit end end
    until_true 20000 all_taken
    pause 1.1 # FILL_MS: the count is older than that
    touch "$go"
    run finish client
    touch "$BATS_TEST_TMPDIR/end"
    echo "$output"
    # No port is left but that of the first one's entry, which is too young for some ms.
    [[ $(grep -cx 'connect 0' <<<"$output") -eq 2 ]]
}

# limit PID COUNT: so many more fds can it open, beside those that it has.
limit() {
    local fd=0 free=$2
    while [[ -L /proc/$1/fd/$fd ]] || ((free-- > 0)); do
        fd=$((fd + 1))
    done
    prlimit --pid "$1" --nofile="$fd:"
}

@test "a look that fails for want of fds: plain connects, and a second later it looks again" {
    local first second other worker
    first=$BATS_TEST_TMPDIR/first second=$BATS_TEST_TMPDIR/second
    ports 32
    serve "$PORT" loop:33 accept readall close end
    preload auto act loop:32 "connect:$PORT" write:1 close end
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 32 ]]
    other=$(port)
    start peer act "listen:$other" accept readall close
    wait_output peer '^listen'
    # The first one has its thread known, by a pidfd.
    start client "$START" --by supervise "$ACT" time-limit:60 "connect:$other@w" "wait-file:$first:30000" "connect:$PORT@a" \
        "wait-file:$second:30000" "connect:$PORT@b"
    wait_output client '^connect 0'
    pause 0.5 # until it holds no copy of that socket, and may list the sockets of another peer
    worker=$(pgrep -P "$(pid_of client)")
    limit "$worker" 1 # for the copy of the socket
    touch "$first"
    wait_output client '^connect -1 EADDRNOTAVAIL' # as without supervision
    prlimit --pid "$worker" --nofile=1024:
    pause 1.1
    touch "$second"
    run finish client
    echo "$output"
    [[ $(grep -cx 'connect 0' <<<"$output") -eq 2 ]]
}

@test "a socket that chooses its ports, or by a mark another source address, is left alone" {
    need python3
    local first last
    ports 64
    read -r first last </proc/sys/net/ipv4/ip_local_port_range
    serve "$PORT" quiet loop:52 accept readall close end
    preload auto act quiet loop:40 "connect:$PORT" write:1 close end
    settle "$PORT"
    run "$START" --by supervise python3 -c '
import socket, sys, time
to, first, last = ("127.0.0.1", int(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
outside = 0
for i in range(12):
    s = socket.socket()
    try:
        s.setsockopt(socket.IPPROTO_IP, 51, last << 16 | first) # IP_LOCAL_PORT_RANGE
    except OSError:
        sys.exit("this kernel has no such option")
    s.connect(to)
    outside += s.getsockname()[1] < first
    s.close()
    time.sleep(0.1)
print(outside, "outside")' "$PORT" $((first + 20)) "$last"
    echo "$output"
    [[ $output != *'no such option' ]] || skip "$output"
    [[ $output == '0 outside' ]]
    finish server
}
