# shellcheck shell=bash disable=SC2034 # some are for the tests only
# What the tests of closing in a state share; loaded after helper and outcome. Owns the network in
# which a state can be reached, and the check that we closed in it.

setup_file() {
    roomy_sndbuf
    # A SYN to this address is sent and never seen again; so is what answers one from there.
    ip route add 192.0.2.1 dev lo
    # Fast Open for a listener that asks for it, also without a cookie (ip-sysctl: 0x2, 0x200).
    echo $((0x202)) >/proc/sys/net/ipv4/tcp_fastopen
}

# A peer that takes a little of 4 MB and reads no more: what follows is not sent, a FIN neither.
STUFFED='nonblock write:4000000'
SMALL='socket rcvbuf:16384'

# us_in STATE: we were in it when we closed.
us_in() {
    [[ $'\n'$(output_of us)$'\n' =~ $'\n'(wait-)?state\ $1$'\n' ]] && return
    echo "not in $1:"
    output_of us
    return 1
}

# sockets: the states of the connection's sockets, as `us FIN_WAIT1, peer CLOSE_WAIT`.
sockets() {
    local client=us server=peer
    [[ $ROLE == client ]] || { client=peer && server=us; }
    states "$PORT" | grep -v LISTEN |
        sed "s/client/$client/; s/server/$server/" | sort -r | paste -sd, | sed 's/,/, /g'
}

# closed STATE: we have closed in it, with the result 0.
closed() {
    finish us 20000 >/dev/null
    us_in "$1"
    output_of us | grep -qx 'close 0'
}
