# shellcheck shell=bash disable=SC2154
# What the tests of recycling share; loaded after helper.

# keep_order [DEVICE [CMD...]]: packets on lo, or the device of the namespace that CMD gets to, do not
# overtake each other. Each CPU has a queue of its own otherwise: on a busy machine an ACK that waits
# in one finds the socket gone, and whoever still has the connection in TIME_WAIT gets an RST and
# loses it (a plain client: 66 in 42,000 connections). Receive packet steering to one CPU, where it
# may be set.
keep_order() {
    "${@:2}" unshare -m sh -c "mount -t sysfs sysfs /sys &&
        echo 1 >/sys/class/net/${1-lo}/queues/rx-0/rps_cpus" 2>/dev/null || true
}

# ports COUNT: gives connect() so many local ports, which no test of this file has used: a port
# of which any TIME_WAIT entry, to whatever peer, has no SO_REUSEADDR cannot be taken over.
ports() {
    local counter=$BATS_FILE_TMPDIR/ports first=20000
    [[ -s $counter ]] || keep_order lo
    [[ ! -s $counter ]] || read -r first <"$counter"
    echo $((first + $1)) >"$counter"
    echo "$first $((first + $1 - 1))" >/proc/sys/net/ipv4/ip_local_port_range
    echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse
}

# run_recycle CMD...: runs it, and sets a variable for each of its lines (see
# tests/tools/recycle.c), and `resets`: how many the namespace sent meanwhile.
run_recycle() {
    local before name value
    before=$(resets_sent)
    while IFS='=' read -r name value; do
        [[ $name =~ ^[A-Za-z]+$ ]] && printf -v "$name" %s "$value"
    done < <("$@" | grep -v '^p[0-9]')
    resets=$(($(resets_sent) - before))
    echo "$*: $connects connects, $failed failed ($error), $ports ports, $whole whole," \
        "$broken broken, $resets resets"
}

# Of the namespace: TcpOutRsts.
resets_sent() {
    awk '/^Tcp:/ && $15 ~ /^[0-9]+$/ { print $15 }' /proc/net/snmp
}

# plain WORD...: recycle without the library; under POLICY WORD...: with it. Each has a peer of
# its own, unless port=N is among the words.
plain() {
    run_recycle "$BUILD/tests/recycle" port="$(port)" "$@"
}

under() {
    local policy=$1
    shift
    run_recycle env LD_PRELOAD="$LIB" NOTIMEWAIT_POLICY="$policy" "$BUILD/tests/recycle" \
        port="$(port)" "$@"
}

# hold_ports REUSE: a connection to another peer from every port of the range, bound, with SO_REUSEADDR
# or not, which ends with the test.
hold_ports() {
    local range
    read -ra range </proc/sys/net/ipv4/ip_local_port_range
    start "holder${range[0]}" python3 -c '
import socket, sys, time
reuse, port, low, high = map(int, sys.argv[1:])
listener = socket.create_server(("127.0.0.1", port), backlog=1000)
held = []
for own in range(low, high + 1):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
    s.bind(("127.0.0.1", own))
    s.connect(listener.getsockname())
    held.append(s)
print("held", flush=True)
time.sleep(60)' "$1" "$(port)" "${range[@]}"
    wait_output "holder${range[0]}" held
}

# left_behind COUNT [PORT]: so many clients' connections are in TIME_WAIT, to the port.
left_behind() {
    local port=${2-$PORT}
    serve "$port" "loop:$1" accept readall close end
    act "loop:$1" "connect:$port" write:1 close end >/dev/null
    finish server
    settle "$port"
}
