#!/usr/bin/env bats
# Recycled connections over a bad network lose no byte and mix none up, and connect() takes what
# it takes on fresh ports. `takeover` carries streams that are checked at both ends; `badnet.bash`
# has the links, whose relay loses, delays, reorders and doubles packets.
#
# TAKEOVER=long: 20 times as many connections.

# shellcheck disable=SC2154 # near_* and far_* are set by `values`

load ../lib/helper
load ../lib/badnet

TAKEOVER_TOOL=$BUILD/tests/takeover
PARALLEL=20
COUNT=160
PORTS=100       # that the library's clients have
SECONDS_LONG=25 # begin no connection after that
[[ ${TAKEOVER-} != long ]] || COUNT=4000 SECONDS_LONG=280

setup_file() {
    [[ ${TAKEOVER-} != long ]] || export BATS_TEST_TIMEOUT=1800
}

# values PREFIX NAME: sets variables PREFIX_KEY to the numbers that NAME's last line has.
values() {
    local word
    for word in $(output_of "$2" | tail -n 1); do
        printf -v "$1_${word%%=*}" %s "${word#*=}"
    done
}

# end_server N: and takes its numbers as far_*.
end_server() {
    kill "$(pid_of "server$1")"
    finish "server$1" >/dev/null
    values far "server$1"
}

# over_link ARM N: the connections of an arm over link N: `fresh` ports; `hand`, which
# takes its own over at the age of a second; `library`, which does it for few ports.
over_link() {
    local arm=$1 n=$2 options=(--parallel "$PARALLEL" --seconds "$SECONDS_LONG")
    local client=("$TAKEOVER_TOOL" client "10.99.$n.2" 9000 "$COUNT")
    case $arm in
    fresh) start "client$n" "${client[@]}" "${options[@]}" ;;
    hand) start "client$n" "${client[@]}" "${options[@]}" --ports 2 --age 1000 ;;
    library)
        start "client$n" env "LD_PRELOAD=$LIB" NOTIMEWAIT_POLICY=auto \
            "NOTIMEWAIT_STATS=$BATS_TEST_TMPDIR/stats$n" "${client[@]}" "${options[@]}"
        ;;
    esac
}

# open_server N RELAY-OPTION...: it is bad for long enough. Then no packet is lost any more: one that
# is lost ten times in a row waits for minutes, and no test can wait for each that may come.
open_server() {
    open_link "$1" "${@:2}" --seed "$1" --seconds 900 --loss-seconds $((SECONDS_LONG + 30))
    start "server$1" nsenter --net="/proc/$(pid_of "relay$1")/ns/net" \
        "$TAKEOVER_TOOL" server 9000
    wait_output "server$1" '^listen'
}

# whole N: ends them; nothing of link N's connections is missing, corrupt or of another.
whole() {
    finish "client$1" 280000 >/dev/null
    values near "client$1"
    sleep 0.5
    end_server "$1"
    output_of "client$1"
    output_of "server$1"
    [[ $near_corrupt -eq 0 && $near_broken -eq 0 && $near_finished -eq $near_connected ]]
    [[ $far_served_corrupt -eq 0 && $far_served_twice -eq 0 ]]
    [[ $near_connected -gt 0 ]]
}

# few_ports RANGE: what the kernel gives; the library's are few.
few_ports() {
    echo "$1" >/proc/sys/net/ipv4/ip_local_port_range
}

# open_next PERMILLE RELAY-OPTION...: a link and its server. Sets n, adds to links.
open_next() {
    n=$(link_number)
    links+=("$n")
    open_server "$n" --loss "$@"
}

# bad PERMILLE RELAY-OPTION...: fresh ports and by hand at once, then the library with few, over
# links of their own. What is slow, a SYN or its answer lost, is as frequent on recycled ports.
bad() {
    local permille=$1 links=() arm n fresh_slow fresh_connected
    need_tun
    shift
    few_ports '22000 60999'
    for arm in fresh hand; do
        open_next "$permille" "$@"
        over_link $arm "$n"
    done
    whole "${links[0]}"
    fresh_slow=$near_slow fresh_connected=$near_connected
    whole "${links[1]}"
    [[ $near_recycled -gt 0 ]]
    as_fast
    few_ports "20000 $((20000 + PORTS - 1))"
    open_next "$permille" "$@"
    over_link library "$n"
    whole "${links[2]}"
    [[ $near_connected -gt $PORTS && $near_failed -eq 0 ]]
    as_fast
    for n in "${links[@]}"; do close_link "$n" >/dev/null; done
}

# as_fast: no more were slow than on fresh ports, but for chance: the two shares differ by at most
# four standard errors of such a difference (the two-proportion z-test; 1 in 30,000 of equals fail).
as_fast() {
    echo "slow: $near_slow of $near_connected, on fresh ports $fresh_slow of $fresh_connected"
    awk -v a="$near_slow" -v n="$near_connected" -v b="$fresh_slow" -v m="$fresh_connected" 'BEGIN {
        p = (a + b) / (n + m)
        exit a / n - b / m > 4 * sqrt(p * (1 - p) * (1 / n + 1 / m)) + 1 / n
    }'
}

@test "1 % lost, 2 % doubled, 5 to 10 ms" {
    bad 10 --duplicate 20 --delay 5 --jitter 5
}

@test "5 % lost, 5 % doubled, 1 to 30 ms: packets overtake each other" {
    bad 50 --duplicate 50 --delay 1 --jitter 29
}

@test "20 % lost, 20 % doubled, 1 to 50 ms" {
    bad 200 --duplicate 200 --delay 1 --jitter 49
}
