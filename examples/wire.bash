# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # it shares variables with examples/techniques
# The runs of examples/techniques: owns the two hosts and the link between them, makes connections
# while they are captured, and reads what that has left: the captures, $pcaps.client.pcap and
# $pcaps.server.pcap (over the link) or $pcaps.host.pcap, and these files:
#
#   $base.server   the server's calls, as legacy-server --trace prints them
#   $base.said.*   the states of the sockets, as capture prints them
#   $base.close    what each close took: "LOCAL-PORT US"
#   $base.left     the TIME_WAIT entries: "client|server CLIENT'S-PORT"

delay=10      # ms, of the link in each direction
port=7000     # of the server started last
started=()    # pids of what has to be ended

# of_run own|policy link|host: names the files of the run.
of_run() {
    how=$1
    base=$work/$name.$server_name.$how.$2
    pcaps=$captures/$name.$server_name.$how
}

# ---- background processes -----------------------------------------------------------

is_ready() {
    local line
    while read -r line; do
        [[ $line != ready* ]] || return 0
    done <"$1"
    return 1
}

# launch FILE CMD...: starts it, its output in FILE; waits until it says `ready`. Sets pid.
launch() {
    local file=$1 tries
    shift
    : >"$file"
    "$@" >>"$file" 2>&1 </dev/null &
    pid=$!
    started+=("$pid")
    for ((tries = 0; tries < 3000; tries++)); do
        ! is_ready "$file" || return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.01
    done
    die 1 "it did not start: $* ($(<"$file"))"
}

# end PID...: ends what was launched, and waits for it.
end() {
    local one
    kill "$@"
    for one; do
        wait "$one" || die 1 "the process $one for $base failed"
    done
    started=("$relay")
}

end_all() {
    ((${#started[@]} == 0)) || kill "${started[@]}" 2>/dev/null
    rm -rf "$work"
}

# ---- the hosts ----------------------------------------------------------------------

# configure END COMMAND...: an end of the link, 1 here and 2 there, and how to get there.
configure() {
    "${@:2}" sh -c "
        ip link set lo up && ip link set link0 up &&
        ip addr add 10.9.0.$1/24 dev link0 && ip addr add fd99::$1/64 dev link0 nodad &&
        echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse" || die 1 'cannot configure the link'
}

# The link, and the server's address over it, link, and on one host, host.
make_link() {
    launch "$work/relay.said" "$build/tests/relay" --device link0 --delay $delay
    relay=$pid
    far=(nsenter "--net=/proc/$relay/ns/net") # the command to get to the other end
    configure 1
    configure 2 "${far[@]}"
    link=10.9.0.2 host=127.0.0.1
    [[ $family == 4 ]] || link=fd99::2 host=::1
}

# ---- one run ------------------------------------------------------------------------

# client ADDRESS CONNECTIONS: by its own code or under the policy.
client() {
    local connections=(--host "$1" --port "$port" --connections "$2")
    if [[ $how == own ]]; then
        timeout 60 "$build/examples/technique-client" --technique "$own" "${connections[@]}" \
            >"$base.close"
    else
        rm -f "$base.log"
        timeout 60 env LD_PRELOAD="$build/libnotimewait.so" NOTIMEWAIT_POLICY="$policy" \
            NOTIMEWAIT_LOG="$base.log" "$build/examples/legacy-client" "${connections[@]}" \
            ${client_option:+"$client_option"} >"$base.printed"
        sed -E 's/.*"local":"[^"]*:([0-9]+)".*"close_us":([0-9.]+).*/\1 \2/' \
            "$base.log" >"$base.close"
    fi
    [[ $(wc -l <"$base.close") -eq $2 ]] || die 1 "not all connections of $base were made"
}

# start_server ADDRESS [COMMAND...]: starts it there, by the command. Sets server.
start_server() {
    port=$((port + 1))
    launch "$base.server" "${@:2}" "$build/examples/legacy-server" --bind "$1" --port $port \
        --close="$server_close" --trace ${server_option:+"$server_option"}
    server=$pid
}

# await CONDITION...: for at most 30 seconds.
await() {
    local tries
    for ((tries = 0; tries < 3000; tries++)); do
        ! "$@" || return 0
        sleep 0.01
    done
    ss -tan "sport = :$port or dport = :$port" >&2
    die 1 "the connections of ${base##*/} did not end: see above"
}

# ended [COMMAND...]: here and on the server's host no socket is left but for TIME_WAIT.
ended() {
    local filter=(exclude time-wait exclude listening "sport = :$port or dport = :$port")
    [[ -z $(ss -Htan "${filter[@]}")$("$@" ss -Htan "${filter[@]}") ]]
}

# One connection over the link.
run_link() {
    local client_capture server_capture
    start_server "$link" "${far[@]}"
    launch "$base.said.client" "$build/tests/capture" --states $port link0 "$pcaps.client.pcap"
    client_capture=$pid
    launch "$base.said.server" "${far[@]}" "$build/tests/capture" --states $port link0 \
        "$pcaps.server.pcap"
    server_capture=$pid
    client "$link" 1
    await ended "${far[@]}"
    sleep 0.03 # a packet that is still on its way, and the answer to it
    note_time_wait "${far[@]}"
    end "$client_capture" "$server_capture" "$server"
}

# Many connections on one host.
run_host() {
    local capture
    start_server "$host"
    launch "$base.said.host" "$build/tests/capture" lo "$pcaps.host.pcap"
    capture=$pid
    client "$host" "$count"
    await ended
    note_time_wait
    end "$capture" "$server"
}

# note_time_wait [COMMAND...]: what the kernel has, here and on the server's host.
note_time_wait() {
    ss -Htan state time-wait "dport = :$port" | sed -E 's/^\S+ +\S+ +\S*:([0-9]+) .*/client \1/' \
        >"$base.left"
    "$@" ss -Htan state time-wait "sport = :$port" | sed -E 's/^.*:([0-9]+) *$/server \1/' \
        >>"$base.left"
}

# ---- what a run has left ------------------------------------------------------------

tagged() {
    sed "s/^/$1 /"
}

# packets_of FILE [PORT]: of all connections, or of the one with the client's port.
packets_of() {
    if [[ -n ${2-} ]]; then
        "$build/tests/packets" "$1" | grep -E "^\S+ $2 "
    else
        "$build/tests/packets" "$1"
    fi || die 1 "cannot read $1"
}

# calls_of [PORT]: the server's.
calls_of() {
    awk -v port="${1-}" '$3 ~ /^(read|write|close)$/ && (port == "" || $2 == port)' "$base.server"
}

# states_of client|server: as they changed, over the link.
states_of() {
    grep " $1 " "$base.said.$1"
}

# The connection over the link.
ladder() {
    {
        packets_of "$pcaps.client.pcap" | tagged near
        packets_of "$pcaps.server.pcap" | tagged far
        states_of client | tagged state
        states_of server | tagged state
        calls_of | tagged call
    } | awk -f "$here/ladder.awk" || die 1 "cannot draw $base"
}

# The connection on one host with the client's port.
host_ladder() {
    {
        packets_of "$pcaps.host.pcap" "$1" | tagged near
        calls_of "$1" | tagged call
    } | awk -f "$here/ladder.awk" || die 1 "cannot draw $base"
}

# The packets without their times: to tell whether two runs are the same.
shape() {
    packets_of "$pcaps.client.pcap" | cut -d' ' -f3-
}

# outcomes FILE: of a capture, see outcomes.awk.
outcomes() {
    {
        packets_of "$1" | tagged packet
        calls_of | tagged call
        cat "$base.left"
    } | awk -f "$here/outcomes.awk"
}

bytes_read() {
    calls_of | awk '$3 == "read" && $4 > 0 { sum += $4 } END { print sum + 0 }'
}

# How many entries: left client|server.
left() {
    grep -c "^$1 " "$base.left"
}

# What each connection's last read returned, and how often.
last_reads() {
    calls_of | awk '
        $3 == "read" { last[$2] = $4 == 0 ? "EOF" : $4 }
        END { for (port in last) print last[port] }' |
        sort | uniq -c | awk '{ printf "%s%s x%d", sep, $2, $1; sep = ", " }'
}

median_close() {
    cut -d' ' -f2 "$base.close" | sort -n | awk '
        { v[NR] = $1 }
        END { printf "%.1f\n", (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2 }'
}
