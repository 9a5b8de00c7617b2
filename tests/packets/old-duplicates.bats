#!/usr/bin/env bats
# No old duplicate enters a connection on a recycled port at the ages that the library takes over
# at (3 ms on this host, 10 ms and more elsewhere), whatever its numbers are; at lesser ages a
# forged one does, which shows that it would be noticed. `olddup` says what is sent.
#
# OLD_DUPLICATES=N: so many takeovers of each kind at each age (20).

load ../lib/helper

OLDDUP=$BUILD/tests/olddup
COUNT=${OLD_DUPLICATES:-20}

# refused AGE [OLDDUP-OPTION]: all four kinds are, at that age in ms.
refused() {
    run "$OLDDUP" "$1" "$COUNT" "${@:2}"
    echo "$output"
    [[ $status -eq 0 ]]
    [[ $(grep -c " trials=$COUNT entered=0 broken=0 least_age_us=" <<<"$output") -eq 4 ]]
}

@test "by hand, at 2, 3, 4, 10 and 1000 ms: none enters, none breaks the connection" {
    local age
    for age in 2 3 4 10 1000; do
        refused $age
    done
}

@test "by hand, at 0 and 1 ms: natural ones, and those of one forged number, do not enter" {
    # A server's next sequence number comes from a clock, one in 64 ns: at 0 ms the numbers that its
    # old connection has used may be ahead of it, and then the ACK is all that has to be forged.
    local age kinds='natural|seq'
    for age in 0 1; do
        run "$OLDDUP" $age "$COUNT"
        echo "$output"
        [[ $(grep -Ec "^($kinds) .* entered=0 broken=0 " <<<"$output") -eq $((2 + age)) ]]
        kinds='natural|ack|seq'
    done
}

@test "by hand, at 0 ms: with sequence number and ACK forged they enter, and are noticed" {
    run "$OLDDUP" 0 "$COUNT"
    echo "$output"
    [[ $output =~ both\ trials=$COUNT\ entered=([0-9]+) ]]
    [[ ${BASH_REMATCH[1]} -gt 0 ]]
}

@test "by the library: it takes over at 3 ms, not before, and none enters" {
    local ports
    ports=$(</proc/sys/net/ipv4/ip_local_port_range)
    echo 21000 21000 >/proc/sys/net/ipv4/ip_local_port_range
    preload auto "$OLDDUP" 0 "$COUNT" --connect >"$BATS_TEST_TMPDIR/seen"
    echo "$ports" >/proc/sys/net/ipv4/ip_local_port_range
    cat "$BATS_TEST_TMPDIR/seen"
    [[ $(grep -c " trials=$COUNT entered=0 broken=0 " "$BATS_TEST_TMPDIR/seen") -eq 4 ]]
    [[ $(grep -Ec 'least_age_us=([3-9]|[1-9][0-9]+)[0-9]{3}$' "$BATS_TEST_TMPDIR/seen") -eq 4 ]]
}
