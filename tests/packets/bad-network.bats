#!/usr/bin/env bats
# What loss, delay and reordering make of each policy's close: bytes that do not arrive, peers
# that are left behind, TIME_WAIT, and the time that close() takes. `badnet.bash` has the links
# and the numbers.
#
# Run `BAD_NETWORK=long FILE_TIME_LIMIT=3600 tests/run build tests/packets/bad-network.bats` for all
# policies, and for 1 MiB under 20 % loss, too. BAD_NETWORK_TABLE=FILE appends the tables there.

load ../lib/helper
load ../lib/badnet

DRAIN_MS=200
DRAIN_EOF_MS=2000

setup_file() {
    [[ ${BAD_NETWORK-} != long ]] || export BATS_TEST_TIMEOUT=1800
}

if [[ ${BAD_NETWORK-} == long ]]; then
    LARGEST=1048576 # bytes, under 20 % loss
    CLIENT_S=300    # for the connections
    PATIENCE=300    # seconds after the last close
else
    LARGEST=30000
    CLIENT_S=60
    PATIENCE=35
fi

# A line for those that run at a time.
policy_groups() {
    echo "off auto fin-rst drain:$DRAIN_MS"
    [[ ${BAD_NETWORK-} != long ]] ||
        echo "last-read drain-eof:$DRAIN_EOF_MS linger:2 abort delay:50"
}

# --- the table ---

say() {
    echo "# $*" >&3
    [[ -z ${BAD_NETWORK_TABLE-} ]] || echo "$*" >>"$BAD_NETWORK_TABLE"
}

# find_ms US: sets `ms`, as milliseconds.
find_ms() {
    printf -v ms '%d.%02d' $(($1 / 1000)) $(($1 % 1000 / 10))
}

table_head() {
    say "| $1 | connections | complete | bytes missing | ECONNRESET at the server | half-open" \
        '| FIN_WAIT2 | not over | TIME_WAIT, client / server | the same, both close at once' \
        '| close, median / max, ms |'
    say '|---|---|---|---|---|---|---|---|---|---|---|'
}

# table_row N POLICY MODE...: the median is the first mode's.
table_row() {
    local n=$1 policy=$2 mode most=0 apart=() same=- number sums ms median
    shift 2
    for mode; do
        find_number "$n" "$mode" close_max_us
        most=$((number > most ? number : most))
        [[ $mode == same ]] || apart+=("$mode")
    done
    if [[ " $* " == *' same '* ]]; then
        find_sums "$n" same tw_near tw_far
        same="${sums[0]} / ${sums[1]}"
    fi
    find_number "$n" "$1" close_p50_us
    find_ms "$number"
    median=$ms
    find_ms "$most"
    find_sums "$n" "${apart[*]}" tw_near tw_far
    apart=("${sums[@]}")
    find_sums "$n" "$*" connections complete missing reset half_open fin_wait2 pending+unfinished
    printf -v sums ' %s |' "${sums[@]}"
    say "| \`$policy\` |$sums ${apart[0]} / ${apart[1]} | $same | $median / $ms |"
}

# --- what must hold ---

# The link lost about so many of 1,000 packets in each direction.
is_bad() {
    local side taken lost
    for side in near far; do
        taken=$(counted "$1" $side taken)
        lost=$(counted "$1" $side lost)
        ((lost * 2000 > taken * $2 && lost * 1000 < taken * $2 * 2)) && continue
        echo "link $1 lost $lost of $taken packets from $side"
        return 1
    done
}

# Every byte arrives. What the kernel still retransmits when time is over is not lost, but few.
every_byte_arrives() {
    local mode
    for mode in write reply same; do
        numbers_hold "$1" "$mode" 'corrupt == 0' 'unsent == 0' 'timeout == 0' 'other == 0' \
            'complete + pending >= connections' 'missing == 0 || pending + unfinished > 0' \
            '(pending + unfinished + unconnected) * 25 <= connections'
    done
    numbers_hold "$1" reply 'replies == connections'
}

no_peer_is_left() {
    local mode
    for mode in write reply same; do
        numbers_hold "$1" "$mode" 'half_open <= unfinished' 'fin_wait2 == 0' 'reset <= unfinished'
    done
}

close_does_not_wait() {
    local mode
    for mode in write reply same; do
        numbers_hold "$1" "$mode" 'slept * 50 <= connections' 'close_p50_us < 1000'
    done
}

# close_waits_at_most N MS: but for a tenth, which a busy machine lets wait.
close_waits_at_most() {
    local mode
    for mode in write reply same; do
        numbers_hold "$1" "$mode" "close_p90_us <= ($2 + 500) * 1000"
    done
}

# A plain close leaves TIME_WAIT where it came first, or on both sides.
time_wait_as_ever() {
    local mode
    for mode in write reply; do
        numbers_hold "$1" "$mode" 'tw_near + pending + unfinished >= connections' 'tw_far == 0'
    done
    numbers_hold "$1" same 'tw_near + tw_far - tw_both + pending >= connections'
}

# Only where the two FINs crossed, and then on both sides.
time_wait_by_crossing_only() {
    local mode
    for mode in write reply; do
        numbers_hold "$1" "$mode" 'tw_near == 0' 'tw_far == 0'
    done
    numbers_hold "$1" same 'tw_near == tw_both'
}

# keeps_its_promise N POLICY: what README says of it. Not to be used as a condition: bash would
# go on after what does not hold.
keeps_its_promise() {
    case $2 in
    off | auto | fin-rst)
        every_byte_arrives "$1"
        no_peer_is_left "$1"
        close_does_not_wait "$1"
        ;;&
    off | auto) time_wait_as_ever "$1" ;;
    fin-rst) time_wait_by_crossing_only "$1" ;;
    last-read)
        every_byte_arrives "$1"
        close_does_not_wait "$1"
        ;;
    drain:* | drain-eof:*)
        every_byte_arrives "$1"
        close_waits_at_most "$1" "${2#*:}"
        ;;
    linger:*)
        every_byte_arrives "$1"
        close_waits_at_most "$1" "${2#*:}000"
        ;;
    esac
}

# --- campaigns, one per policy ---

# start_policies RELAY-OPTIONS SECONDS POLICIES CAMPAIGN...: all at once. Sets links and policies.
start_policies() {
    local options i
    read -ra options <<<"$1"
    read -ra policies <<<"$3"
    links=()
    for i in "${!policies[@]}"; do
        links+=("$(link_number)")
        open_link "${links[i]}" "${options[@]}" --seed "$i" --seconds 1000
        start "campaign${links[i]}" campaign "${links[i]}" "${policies[i]}" "$2" "${@:4}"
    done
}

# finish_policies MODE...: and prints their rows.
finish_policies() {
    local i
    for i in "${!policies[@]}"; do
        until_true 1000000 has_ended "campaign${links[i]}"
        finish "campaign${links[i]}"
        close_link "${links[i]}"
        table_row "${links[i]}" "${policies[i]}" "$@"
    done
}

# profile NAME PERMILLE RELAY-OPTIONS CAMPAIGN...: each policy, and what must hold of it.
profile() {
    local group groups i
    need_tun
    table_head "$1"
    mapfile -t groups < <(policy_groups)
    for group in "${groups[@]}"; do
        start_policies "--loss $2 $3" "$PATIENCE" "$group" "${@:4}"
        finish_policies write reply same
        for i in "${!policies[@]}"; do
            is_bad "${links[i]}" "$2"
            keeps_its_promise "${links[i]}" "${policies[i]}"
        done
    done
}

@test "1 % loss, 10 to 15 ms" {
    profile '1 %, 10 ms' 10 '--delay 10 --jitter 5 --duplicate 5' 'write 120 --parallel 20' \
        'reply 90 --parallel 15' 'same 90 --parallel 15 --pause 12 --largest 10000'
}

@test "5 % loss, 10 to 15 ms" {
    profile '5 %, 10 ms' 50 '--delay 10 --jitter 5 --duplicate 10' 'write 120 --parallel 20' \
        'reply 90 --parallel 15' 'same 90 --parallel 15 --pause 12 --largest 10000'
}

@test "20 % loss, 1 to 50 ms" {
    profile '20 %, 1 to 50 ms' 200 '--delay 1 --jitter 49 --duplicate 20' \
        "write 120 --parallel 20 --largest $LARGEST --seconds $CLIENT_S" \
        "reply 90 --parallel 15 --largest $LARGEST --seconds $CLIENT_S" \
        "same 90 --parallel 15 --largest 10000 --seconds $CLIENT_S --pause 25"
}

@test "abort and delay lose bytes, and leave peers behind" {
    need_tun
    table_head '20 %, 10 ms'
    start_policies '--loss 200 --delay 10' 20 'abort delay:30' 'write 120'
    finish_policies write
    for n in "${links[@]}"; do
        is_bad "$n" 200
        numbers_hold "$n" write 'missing > 0' 'complete < connections' 'half_open > 0' 'reset > 0' \
            'tw_near == 0' 'tw_far == 0' 'pending == 0'
    done
}

@test "a lost RST: the peer is left behind by drain and delay, not by fin-rst" {
    need_tun
    table_head '0 %, 5 ms, the first RST of each connection lost'
    # An ACK that comes after the RST is answered by another: the delay is for a busy machine's.
    RTO_MIN=2s start_policies '--delay 5 --drop-rst 40' 20 "fin-rst drain:10000 delay:2000" \
        'write 40 --parallel 40 --largest 1000'
    finish_policies write
    for n in "${links[@]}"; do
        [ "$(counted "$n" near rst-dropped)" -eq 40 ]
        numbers_hold "$n" write 'complete == 40' 'missing == 0' 'tw_near == 0' 'tw_far == 0'
    done
    numbers_hold "${links[0]}" write 'eof == 40' 'half_open == 0'
    for n in "${links[@]:1}"; do
        numbers_hold "$n" write 'open == 40' 'half_open == 40'
    done
}

@test "a peer that still sends is reset as by a plain close, drain-eof hears it out" {
    need_tun
    table_head '1 %, 10 ms, the server still sends'
    start_policies '--loss 10 --delay 10' 20 'off fin-rst drain-eof:10000' 'streaming 100'
    finish_policies streaming
    for n in "${links[@]:0:2}"; do
        numbers_hold "$n" streaming 'reset > 0' 'missing > 0' 'half_open == 0'
    done
    numbers_hold "${links[2]}" streaming 'complete == connections' 'missing == 0' 'reset == 0' \
        'cut_off == 0' 'half_open == 0' 'close_max_us <= 10500000'
}

# --- the link itself ---

# Sends datagrams that nobody awaits.
datagrams() {
    local i
    for ((i = 0; i < 1000; i++)); do
        echo "$i" >"/dev/udp/10.99.$1.2/9" || true
    done 2>/dev/null
}

# all_taken N: the relay has read them from its device.
all_taken() {
    [[ $(awk -v device="bad$1:" '$1 == device { print $11 }' /proc/net/dev) -ge 1000 ]]
}

# fate_of_datagrams SEED: what became of them, by the relay's counts.
fate_of_datagrams() {
    local n
    n=$(link_number)
    ONLY_IPV4=yes open_link "$n" --loss 100 --duplicate 50 --seed "$1"
    datagrams "$n"
    until_true 20000 all_taken "$n"
    close_link "$n" >/dev/null
    echo "taken $(counted "$n" near taken) lost $(counted "$n" near lost) doubled $(counted "$n" near duplicated)"
}

@test "the same seed loses and doubles the same packets" {
    need_tun
    local seed fates=()
    for seed in 7 7 8; do fates+=("$(fate_of_datagrams $seed)"); done
    printf '%s\n' "${fates[@]}"
    [[ ${fates[0]} =~ ^'taken 1000 lost '[1-9][0-9]+' doubled '[1-9] && ${fates[1]} == "${fates[0]}" && ${fates[2]} != "${fates[0]}" ]]
}
