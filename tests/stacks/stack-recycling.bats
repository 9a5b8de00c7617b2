# connect() through few ports to peers on other stacks, and to Linux behind NAT: what fails, under
# off, auto and fin-rst. The server reads to the end and closes. Where it is behind, it keeps ports
# in FIN_WAIT2, where they are nobody's: it is waited for (wait=1). Each connect's time is printed.
# shellcheck disable=SC2034,SC2154 # pids is for clean_up; run_recycle sets the others
load ../lib/stack_connects

COUNT=100 # of ports

prepare() {
    ports $COUNT
    pids=()
}

# without_timestamps: auto is off there, and sends no RST.
without_timestamps() {
    connects off 300
    [[ $failed -eq $((300 - COUNT)) ]]
    ports $COUNT
    connects auto 300
    [[ $failed -eq $((300 - COUNT)) && $resets -eq 0 ]]
    ports $COUNT
    # Not at once: lwIP resets those that its program, which may be behind, has not accepted.
    connects fin-rst 300 pause=5000
    [[ $failed -eq 0 ]]
}

@test "lwIP has no timestamps: auto fails where off fails; fin-rst frees the ports" {
    meet_stack lwip
    without_timestamps
}

@test "gVisor: under auto no connect fails" {
    meet_stack netstack
    connects off 300
    [[ $failed -eq $((300 - COUNT)) ]]
    ports $COUNT
    # Some are a reply to its last FIN, where a port was taken over within a second.
    connects auto 1500 wait=1
    [[ $failed -eq 0 ]]
    ports $COUNT
    connects fin-rst 300
    [[ $failed -eq 0 ]]
}

@test "libslirp has no timestamps: auto fails where off fails; fin-rst frees the ports" {
    meet_stack slirp
    without_timestamps
}

# behind_nat: us, a router that masquerades, and the server at 10.77.0.2. Conntrack is strict, and
# what it calls invalid is counted and dropped.
behind_nat() {
    space
    router=(nsenter -n -t "$space")
    ip link add far77 type veth peer name near netns "$space"
    ip addr add 10.66.0.1/24 dev far77
    ip link set far77 up
    ip route add 10.77.0.0/24 via 10.66.0.2
    space
    "${router[@]}" ip link add far type veth peer name far78 netns "$space"
    nsenter -n -t "$space" sh -c 'ip addr add 10.77.0.2/24 dev far78; ip link set far78 up'
    "${router[@]}" sh -c 'ip addr add 10.66.0.2/24 dev near; ip link set near up
        ip addr add 10.77.0.1/24 dev far; ip link set far up
        echo 1 >/proc/sys/net/ipv4/ip_forward'
    "${router[@]}" nft -f - <<'END'
table ip nat {
    chain post { type nat hook postrouting priority 100; oifname far masquerade; }
    chain forward {
        type filter hook forward priority 0
        ct state invalid counter drop
    }
}
END
    "${router[@]}" sh -c 'echo 0 >/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal'
    serve_linux nsenter -n -t "$space"
}

# Packets that the router has dropped.
invalid() {
    "${router[@]}" nft list table ip nat | sed -n 's/.*invalid counter packets \([0-9]*\).*/\1/p'
}

@test "Linux behind nft's masquerade, conntrack strict: under auto no connect fails" {
    need nft
    behind_nat
    connects off 300
    [[ $failed -eq $((300 - COUNT)) ]]
    ports $COUNT
    connects auto 1500 wait=1
    [[ $failed -eq 0 && $resets -eq 0 && $(invalid) -eq 0 ]]
    ports $COUNT
    connects fin-rst 300
    [[ $failed -eq 0 ]]
    echo "# the router dropped $(invalid)" >&3
}
