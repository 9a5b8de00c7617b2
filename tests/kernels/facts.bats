# The facts about the kernel that the program stands on, each named by its number: what the kernel
# does, and tests/kernels/kernels.expected where it does not. tests/tools/facts.c measures them.
# Fact 14 is about other stacks, 22 about libc: tests/stacks/stack-*.bats and
# tests/launcher/deepbind.bats have them, under these numbers.
# shellcheck disable=SC2034,SC2154 # for fact, and of holds
load ../lib/helper
load ../lib/kernels
load ../lib/outcome
load ../lib/peerview
load ../lib/badnet
load ../lib/peerview_lost
load ../lib/peerview_expected

# Its last ACK was lost. A second later, from the same port: an ACK, our RST, and the SYN again.
the_old_socket_ends() {
    local n to from=41000
    n=$(link_number)
    to=10.99.$n.2:$PORT
    open_link "$n" --drop-fin-ack all --only near
    start server far "$n" "$ACT" "listen:$to" accept readall close accept readn:5 write:5 close
    wait_output server '^listen'
    act "bind:10.99.$n.1:$from" "connect:$to" close
    until_true 5000 far_state_is "$n" LAST-ACK
    sleep 1.1
    act "bind:10.99.$n.1:$from" "connect:$to" write:5 readn:5 close
    finish server
}

# far_state_is N STATE: of the server's sockets, but the listener.
far_state_is() {
    [[ $(far "$1" ss -Htan exclude listening "sport = :$PORT" | cut -d ' ' -f 1) == "$2" ]]
}

@test "fact 1: TCP_LINGER2 -1, whatever closes last: data, FIN, then RST; no TIME_WAIT" {
    fact 1
}

@test "fact 2: after that RST a peer that is behind reads all and its EOF, from a socket in CLOSE" {
    fact 2
}

@test "fact 3: RST: queued data, then ECONNRESET; FIN_WAIT2 is freed" {
    fact 3
}

@test "fact 4: after a half-close the peer's FIN makes TIME_WAIT, which no option undoes" {
    fact 4
}

@test "fact 5: shutdown(SHUT_WR), an abortive close: TIME_WAIT if the peer runs in between" {
    fact 5
}

@test "fact 6: FINs that cross leave TIME_WAIT on both sides, with TCP_LINGER2, too" {
    need_tun
    holds as_expected crossing off fin-rst abort
}

@test "fact 7: unread input: close() resets, drops the unsent; MSG_TRUNC discards it, urgent, too" {
    fact 7
}

@test "fact 8: SOCK_DESTROY removes TIME_WAIT by the socket's cookie" {
    fact 8
}

@test "fact 9: lingers belong to the socket, whoever set them, and are inherited by accept()" {
    fact 9
}

@test "fact 10: SO_LINGER resets in five states, and in LAST_ACK what is unsent; not in TIME_WAIT" {
    fact 10
}

@test "fact 11: tcp_tw_reuse: connect() takes entries of a second; 0: none; 2: on loopback" {
    fact 11
}

@test "fact 11b: that second is a sysctl, tcp_tw_reuse_delay, down to 1 ms" {
    fact 11b
}

@test "fact 12: SIOCOUTQ counts a FIN, and is stale after a reset" {
    fact 12
}

@test "fact 13: connect(AF_UNSPEC) aborts; the socket keeps its cookie" {
    fact 13
}

@test "fact 15: any user takes over TIME_WAIT by bind(); not without SO_REUSEADDR or timestamps" {
    fact 15
}

@test "fact 15b: a peer in LAST_ACK: the new SYN ends its old socket, and connects" {
    need_tun
    holds the_old_socket_ends
}

@test "fact 15c: a port that was taken over may be bound for another peer, too" {
    fact 15c
}

@test "fact 15d: and when it is in TIME_WAIT again, connect() itself chooses it for another peer" {
    fact 15d
}

@test "fact 16: FIN_WAIT2 is taken over, too, and its peer reset" {
    fact 16
}

@test "fact 17: any user may ask sock_diag for TIME_WAIT and FIN_WAIT2, many at once, and ages" {
    fact 17
}

@test "fact 17b: connect() uses up ports of one parity first" {
    fact 17b
}

@test "fact 18: seccomp notifies of connect(), not by io_uring; ENOSYS unsupervised; EINTR" {
    fact 18
}

@test "fact 18b: the notification wakes its supervisor on the same CPU" {
    fact 18b
}

@test "fact 19: TCP_LINGER2, set on a listener from outside, is inherited, and can be set back" {
    fact 19
}

@test "fact 20: bpf_setsockopt() refuses TCP_LINGER2" {
    fact 20
}

@test "fact 21: OutRsts, TCPAbortOnData and EstabResets" {
    fact 21
}

@test "fact 21b: conntrack keeps CLOSE for 10 s, TIME_WAIT for 120 s" {
    # One rule is enough for conntrack to look; not every kernel shows what it has seen.
    before='nft "add table ip looks
        add chain ip looks in { type filter hook input priority 0; }
        add rule ip looks in ct state invalid counter" && test -e /proc/net/nf_conntrack &&
        echo looks'
    fact 21b
    [[ $said != *looks* || $said == *'seen in CLOSE, '*'seen in TIME_WAIT, '* ]]
}
