# Recycling through IPVS, which keeps a connection's state longer than conntrack does: connects
# that fail, and how long they take. Which kernel has no IPVS, kernels.expected says.
# shellcheck disable=SC2034,SC2154 # for record; run_recycle sets the others
load ../lib/helper
load ../lib/kernels
load ../lib/recycling
load ../lib/spaces

COUNT=50     # of ports
PEER=$KERNEL # that balances

prepare() {
    pids=()
    ports $COUNT
}

clean_up() {
    [[ ${#pids[@]} -eq 0 ]] || kill "${pids[@]}" 2>/dev/null || true
    ip link del far77 2>/dev/null || true
}

# behind_ipvs: us, a balancer with the service at 10.77.0.2, and the server at 10.88.0.2.
behind_ipvs() {
    space
    balancer=(nsenter -n -t "$space")
    ip link add far77 type veth peer name near netns "$space"
    ip addr add 10.77.0.1/24 dev far77
    ip link set far77 up
    space
    "${balancer[@]}" ip link add far type veth peer name far78 netns "$space"
    nsenter -n -t "$space" sh -c 'ip addr add 10.88.0.2/24 dev far78; ip link set far78 up
        ip route add default via 10.88.0.1'
    "${balancer[@]}" sh -c "ip addr add 10.77.0.2/24 dev near; ip link set near up
        ip addr add 10.88.0.1/24 dev far; ip link set far up
        echo 1 >/proc/sys/net/ipv4/ip_forward
        ipvsadm -A -t 10.77.0.2:$PORT -s rr && ipvsadm -a -t 10.77.0.2:$PORT -r 10.88.0.2:$PORT -m"
    serve_linux nsenter -n -t "$space"
}

@test "IPVS: more connects than ports, none fails" {
    holds unshare -n ipvsadm -L
    ! differs IPVS || return 0
    behind_ipvs
    connects off $COUNT # fresh ports, to compare with
    [[ $failed -eq 0 ]]
    ports $COUNT
    connects auto 300 wait=1
    [[ $failed -eq 0 ]]
}
