# shellcheck shell=bash disable=SC2034,SC2153 # the situations' variables are peerview's
# The peer's view where its TCP is not this kernel's; loaded after peerview. Owns the stacks, how
# each is reached, and the situations, which are the same on each: situation_STACK_NAME. A row:
#
#   POLICY | what the peer's calls return | left here
#
# Each cell has a device of its own, but for the slirps, which have one for all.

STACKS=$BUILD/tests/stacks
STACK_NAMES=(lwip netstack slirp slirp4k)
STACK_SITUATIONS=(queued reply window late half half_ours)
declare -A STACK_TITLES=(
    [lwip]='lwIP' [netstack]='gVisor'
    [slirp]='libslirp' [slirp4k]='libslirp, 4 KB buffers'
)
LINKS=${#VIEW_POLICIES[@]}

# --- the stacks: each sets ADDRESS, and where it is not act at our side, AT_PEER, PEER, LISTEN ---

on_lwip() {
    ADDRESS=10.98.$LINK.2
    PEER=(env PRECONFIGURED_TAPIF="lwip$LINK" "$STACKS/lwip" "$ADDRESS" "10.98.$LINK.1")
    LISTEN=listen:$PORT
}

on_netstack() {
    ADDRESS=10.99.$LINK.2
    PEER=("$STACKS/netstack" "netstack$LINK")
    LISTEN=listen:$PORT
}

# Its own TCP ends ours; it has a second connection to the peer, which is a socket of its host.
on_slirp() {
    ADDRESS=10.97.1.2
    at_host slirp
}

on_slirp4k() {
    ADDRESS=10.97.2.2
    at_host slirp4k
}

at_host() {
    PEER_PID=$(<"$BATS_FILE_TMPDIR/$1.host")
    AT_PEER=(nsenter --net="/proc/$PEER_PID/ns/net")
    LISTEN=listen:127.0.0.1:$PORT
}

# --- devices, for setup_file ---

# device NAME KIND ADDRESS [MTU]
device() {
    ip tuntap add dev "$1" mode "$2"
    echo 1 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6" || true
    ip addr add "$3/24" dev "$1"
    ip link set "$1" mtu "${4:-1500}" up
}

# Debian's lwIP writes behind its buffer where a packet has more than 552 bytes.
prepare_lwip() {
    local n
    for ((n = 1; n <= LINKS; n++)); do device "lwip$n" tap "10.98.$n.1" 552; done
}

prepare_netstack() {
    local n
    for ((n = 1; n <= LINKS; n++)); do device "netstack$n" tun "10.99.$n.1"; done
}

prepare_slirp() {
    slirp_host slirp 10.97.1
}

# Its host's sockets, slirp's own among them, have buffers of 4 KB.
prepare_slirp4k() {
    slirp_host slirp4k 10.97.2 'echo 4096 4096 4096 >/proc/sys/net/ipv4/tcp_rmem
        echo 4096 4096 4096 >/proc/sys/net/ipv4/tcp_wmem'
}

# slirp_host NAME NETWORK [COMMAND]: the host is a namespace of its own; slirp4netns runs there,
# and its device is here. It ends with this process's file.
slirp_host() {
    local base=$BATS_FILE_TMPDIR/$1
    # shellcheck disable=SC2016 # for the inner shell
    unshare -n sh -c 'ip link set lo up; eval "$1"; echo >"$2.up"; exec sleep 600' \
        host "${3:-:}" "$base" </dev/null >/dev/null 2>&1 3>&- &
    echo $! >"$base.host"
    until_true 10000 test -e "$base.up"
    nsenter --net="/proc/$!/ns/net" slirp4netns --cidr "$2.0/24" --mtu 1500 \
        --netns-type=path --ready-fd 4 "/proc/$$/ns/net" "$1" \
        4>"$base.ready" </dev/null >"$base.log" 2>&1 3>&- &
    echo $! >"$base.slirp"
    until_true 10000 test -s "$base.ready"
    ip addr add "$2.100/24" dev "$1"
    ip link set "$1" mtu 1500 up
}

# For teardown_file.
end_hosts() {
    local file
    for file in "$BATS_FILE_TMPDIR"/*.{host,slirp}; do
        [[ ! -s $file ]] || kill "$(<"$file")" 2>/dev/null || true
    done
}

# --- the situations: as peerview's `situation` has it ---

DONE='close say:done'

stack_queued() {
    TITLE='is behind; we write 16,000 bytes and close at once'
    OURS="wait-file:$STEP.go:$WAIT_MS write:16000" WHOLE=16000
    PEERS="say:ready $AFTER readall $DONE"
}

stack_reply() {
    TITLE='blocked in read(), after its reply'
    PEERS+=" say:ready readall $DONE"
}

stack_window() {
    TITLE='reads slowly: its window is full, most of our 1 MB is unsent'
    OURS='readn:50 nonblock write:1000000'
    PEERS="write:50 say:ready wait-file:$STEP.closed:$WAIT_MS readslow:20000:2 $DONE"
}

stack_late() {
    TITLE='writes a second after our close, again, and then reads'
    PEERS+=" say:ready $AFTER sleep:1000 write:10 sleep:1000 write:10 readall $DONE"
}

stack_half() {
    TITLE='has half-closed and still reads; our answer is 1000 bytes'
    OURS+=' read:1 write:1000'
    PEERS+=" shutdown:wr say:ready readall $DONE"
}

stack_half_ours() {
    TITLE='answers our half-close, and closes; then we close'
    OURS='write:1000 shutdown:wr readall'
    PEERS="say:ready readall write:50 $DONE"
}

for stack in "${STACK_NAMES[@]}"; do
    for name in "${STACK_SITUATIONS[@]}"; do
        STACK_ALL+=("${stack}_$name")
        eval "situation_${stack}_$name() {
            on_$stack
            MEASURE=measure_stack
            stack_$name
            TITLE='${STACK_TITLES[$stack]}: '\$TITLE
        }"
    done
done

# --- the measurement ---

we_are_at_rest() {
    here
    [[ $SOCKETS =~ ^(-|TIME_WAIT)$ ]]
}

# measure_stack POLICY: prints the row; `waits` where its calls have not returned. Its stack ends
# with it: only afterwards.
measure_stack() {
    local waits=''
    begin "$1" && end_ours || return
    until_true 10000 has_line "$BATS_TEST_TMPDIR/peer.out" '^say done$' || waits=', waits'
    until_true 5000 we_are_at_rest || true
    here
    echo "$1 | $(its_output | calls)$waits | $SOCKETS"
}
