# shellcheck shell=bash
# A connection whose packets are captured; loaded after helper. Owns the script by which two ends
# keep step, so that the packets are the same in every run, and the words for what was sent.
#
# A pure ACK may be held back for up to 40 ms, and rides on other packets when there are some.
# Here it never has the chance: who has sent something waits until it is acknowledged before
# anybody sends again (wait-acked, and for a FIN the kernel's state of who sent it). So each ACK
# is a packet of its own, early or late, and packets are compared one by one, none left out.

CAPTURE=$BUILD/tests/capture
STEP=$BATS_TEST_TMPDIR/step # sync:$STEP.NAME, wait-file:$STEP.NAME
FAMILIES=(127.0.0.1 '[::1]')

# is_in ours|theirs STATE...: that end is in one of the states.
is_in() {
    local ENDS state side=client
    [[ $1 == ours && $ROLE == client || $1 == theirs && $ROLE == server ]] || side=server
    find_ends "$PORT"
    for state in "${@:2}"; do
        [[ " ${ENDS[*]} " != *" $side $state "* ]] || return 0
    done
    return 1
}

our_fin_is_acked() {
    ! is_in ours FIN_WAIT1 CLOSING LAST_ACK
}

their_fin_is_acked() {
    is_in theirs FIN_WAIT2
}

# start_end NAME FIRST-STEPS STEPS POLICY: one end, under the policy or without the library (none).
start_end() {
    local steps
    read -rd '' -a steps <<<"$2 $3" || true # of one line or several
    if [[ $4 == none ]]; then
        start "$1" act "${steps[@]}"
    else
        start "$1" preload "$4" act "${steps[@]}"
    fi
}

# meet POLICY ADDRESS: starts both ends, at a new $PORT. Their steps are $OURS and $THEIRS.
meet() {
    share_cpu
    new_port
    ! compgen -G "$STEP.*" >/dev/null || rm -f "$STEP".*
    start capture "$CAPTURE" lo "$BATS_TEST_TMPDIR/wire.pcap"
    wait_output capture '^ready'
    if [[ $ROLE == client ]]; then
        start_end theirs "listen:$2:$PORT accept" "$THEIRS" none
        wait_output theirs '^listen'
        start_end ours "connect:$2:$PORT" "$OURS" "$1"
    else
        start_end ours "listen:$2:$PORT accept" "$OURS" "$1"
        wait_output ours '^listen'
        start_end theirs "connect:$2:$PORT" "$THEIRS" none
    fi
}

# Lets both ends end. They wait for $STEP.acked until their FIN, which came first, is acknowledged;
# the peer waits for $STEP.go until ours is.
see_to_the_end() {
    if [[ $OURS == *"$STEP.acked"* ]]; then
        until_true 10000 their_fin_is_acked
        : >"$STEP.acked"
    fi
    finish ours
    until_true 10000 our_fin_is_acked
    : >"$STEP.go"
    finish theirs
    settle "$PORT"
}

# Who is in TIME_WAIT.
left() {
    local sides=''
    [[ $(time_wait_client "$PORT") -eq 0 ]] || sides+=' client'
    [[ $(time_wait_server "$PORT") -eq 0 ]] || sides+=' server'
    echo "left${sides:- none}"
}

# Ends the capture; prints a line per packet: > (from the client) or <, flags, relative sequence
# and acknowledgement numbers, bytes of data.
wire() {
    kill "$(pid_of capture)"
    finish capture >/dev/null
    "$BUILD/tests/packets" "$BATS_TEST_TMPDIR/wire.pcap" | cut -d' ' -f3-
}

# sends POLICIES PACKET... LEFT: under each of these policies those packets are sent after those of
# $BEFORE, and no others: over IPv4 and IPv6 under the first policy, over either in turn under the
# others, since what a policy does depends on neither.
sends() {
    local policy address expected seen families=("${FAMILIES[@]}") n=0
    expected=$(printf '%s\n' "${HANDSHAKE[@]}" "${BEFORE[@]}" "${@:2}")
    for policy in $1; do
        covered+=("${policy%:*}")
        [[ $n -eq 0 ]] || families=("${FAMILIES[n % 2]}")
        n=$((n + 1))
        for address in "${families[@]}"; do
            meet "$policy" "$address"
            see_to_the_end >"$BATS_TEST_TMPDIR/ends" || { cat "$BATS_TEST_TMPDIR/ends" && return 1; }
            seen=$(left && wire)
            seen=${seen#*$'\n'}$'\n'${seen%%$'\n'*}
            [[ $seen != "$expected" ]] || continue
            echo "$policy, $address: expected (-), seen (+)"
            diff -U 20 <(echo "$expected") <(echo "$seen") | tail -n +4
            return 1
        done
    done
}

# Whether each policy that the library knows has been covered by `sends`.
all_policies_covered() {
    diff <(sed -nE 's/^POLICY\([A-Z_]+, "([^"]*)".*/\1/p' shim/policy/policy.def | sort) \
        <(printf '%s\n' "${covered[@]}" | sort)
}

HANDSHAKE=('> SYN 0 - 0' '< SYN,ACK 0 1 0' '> ACK 1 1 0')
