# What a kernel has of that on which the program and its tests stand.
load ../lib/helper
load ../lib/kernels

# In a namespace of its own: what a test leaves here, the facts would see.
apart() {
    unshare -n sh -c "ip link set lo up && $1"
}

@test "uname: it is the kernel whose name it has here" {
    [[ $(uname -r) == "$KERNEL".* ]]
}

@test "sock_diag: ss sees a listener" {
    serve "$PORT" accept
    holds sh -c "ss -Htln 'sport = :$PORT' | grep -q ."
}

@test "destroy: a connection is ended by ss -K" {
    serve "$PORT" accept readall
    start us act "connect:$PORT" readall
    wait_output us '^connect 0'
    ss -K "dport = :$PORT" >/dev/null
    holds finish us 5000
}

@test "netem: delay on a device" {
    holds apart 'tc qdisc add dev lo root netem delay 1ms'
}

@test "TUN: a device can be made" {
    holds apart 'ip tuntap add dev probe mode tun'
}

@test "user namespaces: one may be made by any user" {
    holds setpriv --reuid=65534 --regid=65534 --clear-groups unshare -Urn true
}

@test "seccomp: a filter notifies its supervisor" {
    holds "$BUILD/tests/facts" 18
}

@test "timestamps: on by default" {
    holds grep -qx 1 /proc/sys/net/ipv4/tcp_timestamps
}

@test "check: says whether TIME_WAIT entries can be removed here, and who may use recycled ports" {
    run "$BUILD/notimewait" check
    echo "$output"
    if differs 'fact 8'; then
        [[ $output == *'not for TIME_WAIT entries: the kernel is too old'* ]]
    else
        [[ $output == *'possible: TIME_WAIT entries can be removed'* ]]
    fi
    if differs 'fact 15d'; then
        [[ $output == *'recycled ports '*'left out by connect() towards other peers'* ]]
    else
        [[ $output == *'recycled ports '*'used by connect() towards other peers'* ]]
    fi
}

@test "reaper: the launcher refuses --reap where TIME_WAIT cannot be removed" {
    run "$BUILD/notimewait" --reap -- echo began
    echo "$output"
    if differs 'fact 8'; then
        [[ $status -eq 2 && $output == *TIME_WAIT* && $output != *began* && ${#lines[@]} -eq 1 ]]
    else
        [[ $status -eq 0 && $output == began ]]
    fi
}
