# The peer closes first, so that TIME_WAIT is there, and connect() uses the same ports again: what
# each stack does with the new SYN. stacks.expected lists it; the times of connect() are printed.
# shellcheck disable=SC2034,SC2154 # for accepted and auto_is_plain; run_recycle sets them
load ../lib/stack_connects
load ../lib/peerview_expected

EXPECTED=tests/stacks/stacks.expected
POLICIES=(off auto fin-rst last-read)

COUNT=10 # of ports

prepare() {
    SERVER_FIRST=1
    pids=()
    echo 1 >/proc/sys/net/ipv4/tcp_syn_retries # a connect() that gets no answer takes 3 s
}

# hold POLICY: a connect from every port at once; when the peer has closed them all, we close.
hold() {
    connects "$1" 0 hold=1 threads=$COUNT last=1
}

# again POLICY: prints the row. The peer has closed the connections of all ports, and a second later
# we connect from each again. (Sooner, while the sequence number of the new SYN is still inside the
# old window, lwIP and libslirp answer some with RST.)
again() {
    ports $COUNT
    hold "$1"
    [[ $failed -eq 0 && $ports -eq $COUNT ]] || return
    sleep 1
    hold "$1"
    case $failed in
    0) error=succeeds ;;
    "$COUNT") ;;
    *) error="fails $failed times, $error" ;;
    esac
    echo "$1 | our connect() $error | -" >>"$BATS_TEST_TMPDIR/rows"
}

# is_listed STACK: every policy's row, and auto's is off's.
is_listed() {
    local policy
    for policy in "${POLICIES[@]}"; do again "$policy"; done
    ROWS=$(<"$BATS_TEST_TMPDIR/rows")
    diff <(accepted "$1_first" | sort) <(sort <<<"$ROWS")
    auto_is_plain
}

@test "lwIP: answers no SYN from a port that it has in TIME_WAIT, unless we have reset" {
    device far77 tap 10.77.0.1 552
    serve_here env PRECONFIGURED_TAPIF=far77 "$STACKS/lwip" 10.77.0.2 10.77.0.1
    is_listed lwip
}

@test "gVisor: such a port connects again" {
    device far77 tun 10.77.0.1
    serve_here "$STACKS/netstack" far77
    is_listed netstack
}

@test "libslirp: such a port connects again" {
    slirp_host far77 10.77.0
    serve_linux nsenter --net="/proc/$(<"$BATS_FILE_TMPDIR/far77.host")/ns/net"
    is_listed slirp
}

@test "Linux: such a port connects again" {
    space
    ip link add far77 type veth peer name far netns "$space"
    ip addr add 10.77.0.1/24 dev far77
    ip link set far77 up
    nsenter -n -t "$space" sh -c 'ip addr add 10.77.0.2/24 dev far; ip link set far up'
    serve_linux nsenter -n -t "$space"
    is_listed linux
}
