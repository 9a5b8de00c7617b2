# Our last ACK is lost, or the RST of fin-rst, so that the peer stays in LAST_ACK; a second later
# connect() uses the same ports again: by recycling, by the kernel's own reuse (`off`,
# tcp_tw_reuse=1), or since the entry is gone (reap, fin-rst). What each stack does with the new SYN.
# stacks.expected lists it; the times of connect() are printed.
# shellcheck disable=SC2034,SC2154 # for accepted and auto_is_plain; run_recycle sets them
load ../lib/stack_connects

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
    [[ $failed -gt 0 || $(syns_again) -ge $((before + COUNT)) ]] || return
    tell_row "$1"
}

@test "lwIP: answers the SYN by an ACK, is reset, and connects again" {
    is_listed lwip last_ack off auto fin-rst reap
}

@test "gVisor: the same, and recycling, too" {
    is_listed netstack last_ack off auto fin-rst reap
}

@test "libslirp: the same as lwIP" {
    is_listed slirp last_ack off auto fin-rst reap
}

@test "Linux: the same as gVisor" {
    is_listed linux last_ack off auto fin-rst reap
}
