# Our last ACK is lost, or the RST of fin-rst, so that the peer stays in LAST_ACK; a second later
# connect() uses the same ports again: by recycling, by the kernel's own reuse (`off`,
# tcp_tw_reuse=1), or since the entry is gone (reap, fin-rst). What each stack does with the new SYN.
# stacks.expected lists it; the times of connect() are printed.
# shellcheck disable=SC2034,SC2154 # for accepted and auto_is_plain; run_recycle sets them
load ../lib/stack_connects
load ../lib/peerview_expected

EXPECTED=tests/stacks/stacks.expected

COUNT=10 # of ports

prepare() {
    pids=()
    need nft
    echo 1 >/proc/sys/net/ipv4/tcp_syn_retries # a connect() that gets no answer takes 3 s
}

# From here on our packets without data, SYN or FIN are lost: ACKs, RSTs.
lose_acks() {
    nft -f - <<'END'
table ip lost {
    chain out {
        type filter hook output priority 0
        oifname far77 tcp flags & (fin | syn | psh) == 0 drop
    }
}
END
}

# In place of that: what the peers send again is lost, until there is a new SYN from its port. So
# they stay in LAST_ACK.
lose_fins() {
    nft -f - <<'END'
delete table ip lost
table ip lost {
    set again { type inet_service; flags dynamic; }
    chain out {
        type filter hook output priority 0
        oifname far77 tcp flags & (fin | syn | psh) == syn update @again { tcp sport }
    }
    chain in {
        type filter hook input priority 0
        iifname far77 tcp flags & fin != 0 tcp dport != @again drop
    }
}
END
}

# hold POLICY: a connect from every port at once, and then a close. (The reaper's part is done
# below: the launcher's own would take one of the ports, to see whether it can.)
hold() {
    ARM=$1 connects "${1/reap/auto}" 0 hold=1 threads=$COUNT
}

# How often a SYN was sent again: once for each peer that answered it by an ACK, which we reset.
syns_again() {
    nstat -asz TcpExtTCPSynRetrans | awk '/^Tcp/ { print $2 }'
}

# again POLICY: prints the row.
again() {
    local before
    ports $COUNT
    echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse
    lose_acks
    hold "$1"
    [[ $failed -eq 0 && $ports -eq $COUNT ]] && settle "$PORT" || return
    lose_fins
    sleep 1.1
    [[ $1 != reap ]] || ss -K state time-wait "dport = :$PORT" >/dev/null 2>&1
    before=$(syns_again)
    hold "$1"
    nft delete table ip lost
    case $failed in
    0) error=succeeds && [[ $(syns_again) -ge $((before + COUNT)) ]] || return ;;
    "$COUNT") ;;
    *) error="fails $failed times, $error" ;;
    esac
    echo "$1 | our connect() $error | -" >>"$BATS_TEST_TMPDIR/rows"
}

# is_listed STACK: every policy's row, and auto's is off's.
is_listed() {
    local policy
    for policy in off auto fin-rst reap; do again "$policy"; done
    ROWS=$(<"$BATS_TEST_TMPDIR/rows")
    diff <(accepted "$1_last_ack" | sort) <(sort <<<"$ROWS")
    auto_is_plain
}

@test "lwIP: answers the SYN by an ACK, is reset, and connects again" {
    device far77 tap 10.77.0.1 552
    serve_here env PRECONFIGURED_TAPIF=far77 "$STACKS/lwip" 10.77.0.2 10.77.0.1
    is_listed lwip
}

@test "gVisor: the same, and recycling, too" {
    device far77 tun 10.77.0.1
    serve_here "$STACKS/netstack" far77
    is_listed netstack
}

@test "libslirp: the same as lwIP" {
    slirp_host far77 10.77.0
    serve_linux nsenter --net="/proc/$(<"$BATS_FILE_TMPDIR/far77.host")/ns/net"
    is_listed slirp
}

@test "Linux: the same as gVisor" {
    space
    ip link add far77 type veth peer name far netns "$space"
    ip addr add 10.77.0.1/24 dev far77
    ip link set far77 up
    nsenter -n -t "$space" sh -c 'ip addr add 10.77.0.2/24 dev far; ip link set far up'
    serve_linux nsenter -n -t "$space"
    is_listed linux
}
