# connect() takes over ports in TIME_WAIT: towards other hosts, by a device, in
# a child of a fork, and where the kernel does not tell what is in TIME_WAIT.
# shellcheck disable=SC2154 # run_recycle sets them
load ../lib/helper
load ../lib/recycling

prepare() {
    ports 300
}

clean_up() {
    [[ ! -p $BATS_TEST_TMPDIR/end ]] || echo 1<>"$BATS_TEST_TMPDIR/end"
    ip link del veth77 2>/dev/null || true
    ip rule del ipproto tcp lookup 77 2>/dev/null || true
    [[ -z ${far_pid-} ]] || kill "$far_pid" || true
}

# link: another host, 10.77.0.2, behind veth77, with recycle's server at the port $at; commands
# there begin with "${far[@]}".
link() {
    at=$(port)
    unshare -n sleep 100 </dev/null >/dev/null 2>&1 3>&- &
    far_pid=$!
    far=(nsenter -n -t "$far_pid")
    until [[ $("${far[@]}" readlink /proc/self/ns/net) != "$(readlink /proc/self/ns/net)" ]]; do
        sleep 0.05
    done
    ip link add veth77 type veth peer name far77 netns "$far_pid"
    ip addr add 10.77.0.1/24 dev veth77
    ip link set veth77 up
    "${far[@]}" ip addr add 10.77.0.2/24 dev far77
    "${far[@]}" ip link set far77 up
    "${far[@]}" ip link set lo up
    keep_order veth77
    keep_order far77 "${far[@]}"
    mkfifo "$BATS_TEST_TMPDIR/end" # whose other end is open, too: nothing is read from it
    "${far[@]}" "$BUILD/tests/recycle" serve=60 port="$at" <>"$BATS_TEST_TMPDIR/end" >/dev/null 2>&1 3>&- &
    timeout 10 "${far[@]}" sh -c "until ss -Htln 'sport = :$at' | grep -q .; do sleep 0.1; done"
}

@test "another host: entries of a second, and younger ones where none is free" {
    link
    plain n=600 remote=1 port="$at"
    [[ $failed -ge 300 ]]
    ports 300
    under auto n=1500 remote=1 port="$at" wait=1
    [[ $failed -eq 0 && $connects -eq 1500 && $resets -eq 0 ]]
    # The kernel's default recycles on loopback alone: connect() need not fail first each time.
    need strace
    local table=$BATS_TEST_TMPDIR/strace
    ports 60
    echo 2 >/proc/sys/net/ipv4/tcp_tw_reuse
    NOTIMEWAIT_POLICY=auto run_recycle strace -f --seccomp-bpf -o "$table" -e trace=connect -E LD_PRELOAD="$LIB" \
        "$BUILD/tests/recycle" n=200 remote=1 port="$at" wait=1
    [[ $failed -eq 0 && $(grep -c EADDRNOTAVAIL "$table") -lt 70 ]]
}

@test "TCP that goes from another source address than UDP: nothing is taken that was not looked at" {
    link
    ip addr add 10.77.0.3/24 dev veth77
    ip route add 10.77.0.0/24 dev veth77 src 10.77.0.3 table 77
    ip rule add ipproto tcp lookup 77
    # Ports of other peers alone, and nothing is left to see: the first connection is looked for.
    need python3
    ports 20
    hold_ports 1
    under abort n=20 remote=1 port="$at"
    [[ $failed -eq 19 && $ports -eq 1 ]]
    ip rule del ipproto tcp lookup 77
    under abort n=20 remote=1 port="$at"
    [[ $failed -eq 0 ]]
    ip rule add ipproto tcp lookup 77
    ports 20
    under auto n=60 remote=1 port="$at"
    [[ $failed -eq 40 && $ports -eq 20 && $resets -eq 0 ]]
}

@test "sockets bound to a device" {
    link
    under auto n=1500 remote=1 port="$at" device=1 wait=1
    [[ $failed -eq 0 && $connects -eq 1500 && $resets -eq 0 ]]
}

@test "another host without timestamps: no connect() fails that a plain one would make" {
    link
    "${far[@]}" sh -c 'echo 0 >/proc/sys/net/ipv4/tcp_timestamps'
    plain n=280 remote=1 port="$at"
    [[ $failed -eq 0 ]]
    ports 300
    under auto n=280 remote=1 port="$at"
    [[ $failed -eq 0 ]]
    under auto n=100 remote=1 port="$at"
    [[ $failed -eq $((280 + 100 - 300)) && $resets -eq 0 ]]
}

@test "no netlink, refused by seccomp in the words of a sandbox and of systemd: as without us" {
    local errno
    for errno in 1 97; do # EPERM, EAFNOSUPPORT
        ports 100
        under auto n=150 runs=2 exec=1 blind=$errno
        [[ $failed -eq 200 && $connects -eq 300 && $whole -eq 100 && $resets -eq 0 ]]
    done
    ports 100
    under auto n=150 runs=2 exec=1
    [[ $failed -eq 0 ]]
}

@test "no netlink: it is not asked for by each connect() that fails" {
    need strace
    local table=$BATS_TEST_TMPDIR/strace
    ports 100
    NOTIMEWAIT_POLICY=auto run_recycle strace -f -o "$table" -e trace=socket -E LD_PRELOAD="$LIB" \
        "$BUILD/tests/recycle" n=150 port="$(port)" runs=2 exec=1 blind=1
    [[ $failed -eq 200 && $(grep -c AF_NETLINK "$table") -lt 10 ]]
}

@test "processes that fork while another thread takes a port over leave nothing behind" {
    under auto n=1500 threads=4 forks=1
    [[ $failed -eq 0 && $whole -eq $connects && $leaked -eq 0 ]]
}
