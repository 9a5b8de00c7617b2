# The peer closes first, so that TIME_WAIT is there, and connect() uses the same ports again: what
# each stack does with the new SYN. stacks.expected lists it; the times of connect() are printed.
# shellcheck disable=SC2034,SC2154 # for accepted and auto_is_plain; run_recycle sets them
load ../lib/stack_connects

COUNT=10 # of ports

prepare() {
    SERVER_FIRST=1
    pids=()
    echo 1 >/proc/sys/net/ipv4/tcp_syn_retries # a connect() that gets no answer takes 3 s
}

# hold POLICY: a connect from every port at once; when the peer has closed them all, we close. Where
# it answers our FIN late, the ports are in LAST_ACK, and not free yet.
hold() {
    connects "$1" 0 hold=1 threads=$COUNT last=1
    until_true 3000 acknowledged || true
}

acknowledged() {
    [[ -z $(ss -Htn state last-ack "dport = :$PORT") ]]
}

# again POLICY: prints the row. The peer has closed the connections of all ports, and a second later
# we connect from each again. Then the same at once: while the sequence number of the new SYN is still
# inside the old window, lwIP and libslirp answer some with RST.
again() {
    ports $COUNT
    hold "$1"
    [[ $failed -eq 0 && $ports -eq $COUNT ]] || return
    sleep 1
    hold "$1"
    tell_row "$1"
    ARM="$1, at once" hold "$1"
    [[ $failed -eq 0 || $error == ECONNREFUSED || $error == ETIMEDOUT ]]
}

@test "lwIP: answers no SYN from a port that it has in TIME_WAIT, unless we have reset" {
    is_listed lwip first off auto fin-rst last-read
}

@test "gVisor: such a port connects again" {
    is_listed netstack first off auto fin-rst last-read
}

@test "libslirp: such a port connects again" {
    is_listed slirp first off auto fin-rst last-read
}

@test "Linux: such a port connects again" {
    is_listed linux first off auto fin-rst last-read
}
