# Ports that others have bound for connections to another peer. connect() chooses them for no peer;
# before Linux 6.18 not even when those connections have ended (fact 15d of tests/kernels/facts.bats),
# so that ports that were taken over for one peer are missing for all. The library binds them, too.
# shellcheck disable=SC2154 # run_recycle sets failed, whole and others
load ../lib/helper
load ../lib/recycling
load ../lib/badnet

prepare() {
    need python3
    ports 20
}

@test "where connect() finds none, these are taken, and then the entries that they leave" {
    hold_ports 1
    plain n=20
    [[ $failed -eq 20 ]]
    under auto n=100
    [[ $failed -eq 0 && $whole -eq 100 && $ports -le 20 && $resets -eq 0 ]]
    under auto n=30 nonblock=1 family=46
    [[ $failed -eq 0 && $whole -eq 30 && $resets -eq 0 ]]
}

# RST leaves no socket to the peer, from which a later look could tell where they are found.
@test "they are had, too, for connections that leave nothing, that are refused, and that are reset" {
    local how steps
    hold_ports 1
    under fin-rst n=100
    [[ $failed -eq 0 && $whole -eq 100 ]]
    under abort n=100
    [[ $failed -eq 0 ]]
    ports 200
    hold_ports 1
    plain n=20
    [[ $failed -eq 20 ]]
    under fin-rst n=100 threads=4 # those that begin at once wait for the first one's socket
    [[ $failed -eq 0 && $whole -eq 400 ]]
    for how in "connect" "connect-nonblock"; do
        new_port
        steps=()
        for _ in {1..30}; do steps+=("$how:$PORT" connect-wait close); done
        run preload auto act "${steps[@]}"
        echo "$how: $output"
        [[ $(grep -c ECONNREFUSED <<<"$output") -eq 30 && $output != *EADDRNOTAVAIL* ]]
    done
    new_port
    serve "$PORT" quiet loop:30 accept linger:1:0 close end
    run preload auto act quiet loop:30 "connect:$PORT" close end
    echo "$output"
    [[ $status -eq 0 && $output != *EADDRNOTAVAIL* ]]
}

# The refusal takes 60 ms, each of the library's questions to the kernel 150: it comes between the two,
# whether the socket is found, and whether it lives.
@test "one that is refused while it is looked for tells nothing: the next ones are had, too" {
    local link steps=()
    need strace
    need_tun
    link=$(link_number)
    open_link "$link" --delay 30
    hold_ports 1
    for _ in 1 2 3; do steps+=("connect-nonblock:10.99.$link.2:$PORT" connect-wait close); done
    run strace -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=bind,connect,sendto,getsockopt \
        -e inject=sendto:delay_enter=150000 -E LD_PRELOAD="$LIB" -E NOTIMEWAIT_POLICY=auto "$ACT" "${steps[@]}"
    echo "$output"
    cut -c 1-110 "$BATS_TEST_TMPDIR/trace"
    [[ $(grep -c ECONNREFUSED <<<"$output") -eq 3 && $output != *EADDRNOTAVAIL* ]]
}

@test "a peer without timestamps gets each of them once, since nothing else can be taken over" {
    hold_ports 1
    echo 0 >/proc/sys/net/ipv4/tcp_timestamps
    under auto n=40
    echo 1 >/proc/sys/net/ipv4/tcp_timestamps
    [[ $failed -eq 20 && $whole -eq 20 && $ports -eq 20 && $resets -eq 0 ]]
}

@test "without SO_REUSEADDR they are their holders' alone; off shares none" {
    hold_ports 0
    under auto n=20
    [[ $failed -eq 20 ]]
    ports 20
    hold_ports 1
    under off n=20
    [[ $failed -eq 20 ]]
}

@test "ports that are reserved for services are none of them: they stay free" {
    local reserved=/proc/sys/net/ipv4/ip_local_reserved_ports low high
    read -r low high </proc/sys/net/ipv4/ip_local_port_range
    for list in "$low-$high" "$low,$((low + 1))-$((high - 1)),$high"; do
        echo "$list" >$reserved
        under auto n=20
        [[ $failed -eq 20 ]]
    done
    echo "1,$low-$((high - 1)),65000" >$reserved # one is left, and is used already
    act "bind:$high" "connect:$PORT" || true
    under auto n=2
    echo '' >$reserved
    [[ $failed -eq 0 && $ports -eq 1 ]]
}

@test "a peer on this host that has gone: no socket connects to itself from its port" {
    local low
    ports 1
    read -r low _ </proc/sys/net/ipv4/ip_local_port_range
    start holder act "bind:$low" say:held "wait-file:$BATS_TEST_TMPDIR/end"
    wait_output holder '^say held'
    run preload auto act "connect:$low"
    touch "$BATS_TEST_TMPDIR/end"
    finish holder
    [[ $output == 'connect -1 EADDRNOTAVAIL' ]]
}

@test "one that a socket bound to a device has a connection at: no two have one pair of addresses" {
    local low
    ports 1
    read -r low _ </proc/sys/net/ipv4/ip_local_port_range
    serve "$PORT" accept readall
    start device python3 -c '
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
s.bind(("127.0.0.1", int(sys.argv[1])))
s.connect(("127.0.0.1", int(sys.argv[2])))
print("connected", flush=True)
sys.stdin.read()' "$low" "$PORT" < <(until [[ -e $BATS_TEST_TMPDIR/end ]]; do sleep 0.1; done)
    wait_output device connected
    run preload auto act "connect:$PORT"
    touch "$BATS_TEST_TMPDIR/end"
    finish device
    [[ $output == 'connect -1 EADDRNOTAVAIL' ]]
}

@test "one that the peer has a connection at is not among them" {
    local low name steps
    hold_ports 1
    read -r low _ </proc/sys/net/ipv4/ip_local_port_range
    new_port
    serve "$PORT" quiet loop:20 accept end loud readall
    for name in {a..k} {m..u}; do # l is the listener's
        steps+=("bind:$low@$name" "connect:$PORT@$name")
        low=$((low + 1))
    done
    start first act "${steps[@]}" say:held "wait-file:$BATS_TEST_TMPDIR/end"
    wait_output first '^say held'
    run preload auto act "connect:$PORT"
    [[ $output == 'connect -1 EADDRNOTAVAIL' ]]
    touch "$BATS_TEST_TMPDIR/end"
    finish first
}

@test "few ports are taken over: those of the last seconds, again and again" {
    ports 6000
    under auto port=9999 n=3000
    NOTIMEWAIT_LOG=$LOG under auto port=9999 n=3000 pause=1500
    [[ $failed -eq 0 && $whole -eq 3000 ]]
    taken=$(jq -r 'select(.recycled).local' "$LOG" | sort -u | wc -l)
    echo "$taken"
    [[ $taken -gt 0 && $taken -le 1500 ]]
}

# What connect() without us finds after us, as libnotimewait(7) says.
@test "a port that no socket had when it was bound is left out by connect() until TIME_WAIT is over" {
    need python3
    ports 1
    run python3 -c '
import errno, socket, sys
own = int(sys.argv[1])
listeners = [socket.create_server(("127.0.0.1", int(port))) for port in sys.argv[2:]]
def live(listener, port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if port:
        s.bind(("0.0.0.0", port))
    error = s.connect_ex(listener.getsockname())
    if error == 0:
        peer = listener.accept()[0]
        s.close()
        peer.close()
    return errno.errorcode.get(error, error)
print(live(listeners[0], own), live(listeners[1], 0), live(listeners[1], own))' \
        "$(cut -f 1 /proc/sys/net/ipv4/ip_local_port_range)" "$(port)" "$(port)"
    [[ $output == '0 EADDRNOTAVAIL 0' ]]
}
