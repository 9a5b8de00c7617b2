# shellcheck shell=bash
# A bad network; loaded after helper. Owns the links that `relay` makes, and campaigns over them:
# many connections at once whose client closes under a policy, and what is left of each.
#
# Link N leads from here, 10.99.N.1 and fd99:N::1, to a namespace of its own, `far N`, 10.99.N.2
# and fd99:N::2. The servers are there. A campaign leaves a file of numbers per mode of `transfer`:
#
#   connections unconnected unfinished sent unsent replies reply_missing
#   close_p50_us close_p90_us close_max_us slept from the client: see `transfer --help`
#   accepted complete received corrupt cut_off eof reset timeout other closed open    the server
#   missing      bytes that the client sent and the server did not get, or that replies lack
#   pending      connections that a kernel still retransmits for, when time was over
#   half_open    sockets of the server whose peer here is gone, and that no timer ends
#   fin_wait2    the same, but closed by the server: its kernel drops them after 60 s
#   tw_near tw_far tw_both    TIME_WAIT entries here, there, and of the same connection

RELAY=$BUILD/tests/relay
TRANSFER=$BUILD/tests/transfer

# --- links ---

# need_tun: skips the test where no TUN device can be made.
need_tun() {
    : 2>/dev/null <>/dev/net/tun || skip '/dev/net/tun cannot be opened'
}

# link_number: prints an N that no test of this file has used: TIME_WAIT outlives its test.
link_number() {
    local last=0
    [[ ! -s $BATS_FILE_TMPDIR/link ]] || read -r last <"$BATS_FILE_TMPDIR/link"
    echo $((last + 1)) | tee "$BATS_FILE_TMPDIR/link"
}

# far N CMD...: runs CMD at the other end.
far() {
    local PID
    find_pid "relay$1"
    nsenter --net="/proc/$PID/ns/net" "${@:2}"
}

# An end of link N: 1 here, 2 there; then the command that gets there. With RTO_MIN set, nothing is
# sent again before that time over IPv4: not because a busy machine lets the relay, or an end, wait.
# With ONLY_IPV4 set no packet passes that nobody has asked for (of multicast's groups).
configure_end() {
    local sysctl=/proc/sys/net/ipv4 probes=3 patient=''
    local six="addr add fd99:$1::$2/64 dev bad$1 nodad" first=:
    [[ -z ${ONLY_IPV4-} ]] || six='' first="echo 1 >/proc/sys/net/ipv6/conf/bad$1/disable_ipv6"
    local batch="link set lo up
        link set bad$1 mtu 1500 txqueuelen 10000 up
        addr add 10.99.$1.$2/24 dev bad$1
        $six"
    [[ -z ${RTO_MIN-} ]] || probes=0 patient="
        route change 10.99.$1.0/24 dev bad$1 proto kernel scope link src 10.99.$1.$2 rto_min $RTO_MIN"
    "${@:3}" sh -c "
        $first
        echo '$batch$patient' | ip -batch - &&
            echo 0 >$sysctl/tcp_tw_reuse && echo 1 >$sysctl/tcp_rfc1337 &&
            echo 15 >$sysctl/tcp_orphan_retries && echo reno >$sysctl/tcp_congestion_control &&
            echo $probes >$sysctl/tcp_early_retrans &&
            echo '4096 2097152 8388608' >$sysctl/tcp_wmem"
}

# open_link N RELAY-OPTION...: makes it. TIME_WAIT stays until it is counted: a late packet's RST
# does not end it (RFC 1337), which with much reordering it often does. What was closed is
# retransmitted for long: the kernel's own limit is 102 s without acknowledgement, under any
# policy. The congestion control is the one that every kernel has. A socket takes 1 MiB from one
# write, so that all of it can be unsent at close.
open_link() {
    start "relay$1" "$RELAY" --device "bad$1" "${@:2}"
    wait_output "relay$1" '^ready'
    configure_end "$1" 1
    configure_end "$1" 2 far "$1"
}

# close_link N: ends it; prints the relay's counts.
close_link() {
    kill "$(pid_of "relay$1")"
    finish "relay$1"
}

# counted N SIDE KEY: one of the relay's counts, after close_link.
counted() {
    output_of "relay$1" | sed -nE "s/^$2 .*\\b$3=([0-9]+).*/\\1/p"
}

# --- sockets of a campaign ---

# port_of N MODE: the server's.
port_of() {
    local -A digit=([write]=0 [reply]=1 [same]=2 [streaming]=3)
    echo $((20000 + $1 * 10 + digit[$2]))
}

# Those of link N that are in the states, which ss has to name; here and there.
near_sockets() {
    ss -Htan "${@:2}" "dport >= :$((20000 + $1 * 10)) and dport <= :$((20009 + $1 * 10))"
}

far_sockets() {
    far "$1" ss -Htan "${@:2}"
}

# Notes the TIME_WAIT entries as "CLIENT'S-PORT SERVER'S-PORT". They stay for 60 s, a campaign
# may last longer: to be called now and then.
note_time_wait() {
    local base=$BATS_TEST_TMPDIR/tw$1
    near_sockets "$1" state time-wait |
        sed -E 's/.*:([0-9]+) +[^ ]*:([0-9]+) *$/\1 \2/' >>"$base.near"
    far_sockets "$1" state time-wait |
        sed -E 's/.*:([0-9]+) +[^ ]*:([0-9]+) *$/\2 \1/' >>"$base.far"
}

# Those that are left of a mode, as "CLIENT'S-PORT STATE UNACKED".
near_left() {
    near_sockets "$1" exclude time-wait "dport = :$(port_of "$1" "$2")" |
        sed -E 's/^(\S+) +\S+ +(\S+) +\S*:([0-9]+) .*/\3 \1 \2/'
}

far_left() {
    far_sockets "$1" exclude time-wait exclude listening exclude syn-recv \
        "sport = :$(port_of "$1" "$2")" |
        sed -E 's/^(\S+) +\S+ +(\S+) +\S+ +\S*:([0-9]+) *$/\3 \1 \2/'
}

# Whether nothing is under way any more: no socket here, none there that sends; nor, a little
# later, what was in the air.
link_is_quiet() {
    local i
    for i in 1 2; do
        [[ $i -eq 1 ]] || pause 0.4
        [[ -z $(near_sockets "$1" exclude time-wait) ]] || return 1
        [[ -z $(far_sockets "$1" exclude listening exclude time-wait |
            awk '$3 > 0 || $1 ~ /^SYN/') ]] || return 1
    done
}

# until_noting N SECONDS CMD...: repeats CMD until it succeeds, or for so long.
until_noting() {
    local n=$1 end=$((SECONDS + $2)) polls=0
    shift 2
    until "$@" || [[ $SECONDS -ge $end ]]; do
        ((polls++ % 4)) || note_time_wait "$n"
        pause 3
    done
    note_time_wait "$n"
}

# --- campaigns ---

# start_mode N POLICY MODE COUNT OPTION...: the server there, and the client here.
start_mode() {
    local address=10.99.$1.2 PID
    [[ $3 != reply ]] || address=fd99:$1::2
    find_pid "relay$1"
    start "server$1.$3" nsenter --net="/proc/$PID/ns/net" \
        "$TRANSFER" server "$3" "$(port_of "$1" "$3")" --seconds 1000
    wait_output "server$1.$3" '^listen'
    start "client$1.$3" env LD_PRELOAD="$LIB" NOTIMEWAIT_POLICY="$2" \
        "$TRANSFER" client "$3" "$address" "$(port_of "$1" "$3")" "${@:4}"
}

# Bytes that the server lacks of the connections with these client's ports: $1 is its output.
lacking() {
    awk -v ports="$2" '
        BEGIN { split(ports, list); for (i in list) chosen["port=" list[i]] = 1 }
        /^open/ && $2 in chosen { sub(/.*=/, "", $4); sub(/.*=/, "", $5); sum += $5 - $4 }
        END { print sum + 0 }' <<<"$1"
}

# time_wait_counts N PORT
time_wait_counts() {
    local base=$BATS_TEST_TMPDIR/tw$1
    echo "tw_near=$(grep " $2\$" "$base.near" | sort -u | wc -l)" \
        "tw_far=$(grep " $2\$" "$base.far" | sort -u | wc -l)" \
        "tw_both=$(comm -12 <(grep " $2\$" "$base.near" | sort -u) \
            <(grep " $2\$" "$base.far" | sort -u) | wc -l)"
}

# left_counts NEAR FAR: of what near_left and far_left printed.
left_counts() {
    awk 'NF == 3 { key = $1; if (FNR == NR || $3 > 0) { pending[key] = 1; next } }
         NF == 3 && !(key in pending) { $2 == "FIN-WAIT-2" ? fin_wait2++ : half_open++ }
         END { print "pending=" length(pending), "half_open=" half_open + 0,
                     "fin_wait2=" fin_wait2 + 0 }' <(echo "$1") <(echo "$2")
}

# Prints the numbers of a mode.
mode_numbers() {
    local client server near sent received reply_missing
    near=$(near_left "$1" "$2")
    left_counts "$near" "$(far_left "$1" "$2")"
    note_time_wait "$1" # none is missed that was pending before and has ended since
    client=$(output_of "client$1.$2" | tail -n 1)
    kill "$(pid_of "server$1.$2")"
    server=$(finish "server$1.$2")
    sent=$(grep -oP '\bsent=\K\d+' <<<"$client")
    reply_missing=$(grep -oP 'reply_missing=\K\d+' <<<"$client")
    received=$(grep -oP 'received=\K\d+' <<<"$server")
    echo "$client"
    tail -n 1 <<<"$server"
    near=$(awk '{ printf "%s ", $1 }' <<<"$near")
    echo "missing=$((sent - received + reply_missing - $(lacking "$server" "$near")))"
    time_wait_counts "$1" "$(port_of "$1" "$2")"
}

mode_finished() {
    has_ended "client$1.$2"
}

# campaign N POLICY SECONDS 'MODE COUNT OPTION...'...: all at once over link N; SECONDS is for what
# the kernel has to retransmit after the last close.
campaign() {
    local n=$1 policy=$2 patience=$3 words
    shift 3
    for words; do
        # shellcheck disable=SC2086 # they are words
        start_mode "$n" "$policy" $words
    done
    for words; do
        until_noting "$n" 1000 mode_finished "$n" "${words%% *}"
    done
    until_noting "$n" "$patience" link_is_quiet "$n"
    for words; do
        mode_numbers "$n" "${words%% *}" >"$BATS_TEST_TMPDIR/numbers$n.${words%% *}"
    done
}

# --- what was seen ---

# find_number N MODE EXPRESSION: sets `number`, of a campaign's numbers. (No process.)
find_number() {
    local words
    read -rd '' words <"$BATS_TEST_TMPDIR/numbers$1.$2" || true
    # shellcheck disable=SC2086 # they are words
    local -i $words
    number=$(($3))
}

# find_sums N MODES EXPRESSION...: sets `sums`, each over the modes.
find_sums() {
    local n=$1 modes=$2 expression mode number sum
    shift 2
    sums=()
    for expression; do
        sum=0
        for mode in $modes; do
            find_number "$n" "$mode" "$expression"
            ((sum += number)) || true
        done
        sums+=("$sum")
    done
}

# numbers_hold N MODE EXPRESSION...: all are true of a campaign's numbers.
numbers_hold() {
    local expression number
    for expression in "${@:3}"; do
        find_number "$1" "$2" "$expression"
        [[ $number -eq 0 ]] || continue
        echo "not true: $expression; link $1, mode $2:"
        cat "$BATS_TEST_TMPDIR/numbers$1.$2"
        return 1
    done
}
