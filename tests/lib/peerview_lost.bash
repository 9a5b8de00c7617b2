# shellcheck shell=bash
# The peer's view when a packet is lost, or the FINs cross; loaded after peerview and badnet. The
# peer is at the far end of a link of its own, whose relay drops or holds what is asked for. A row:
#
#   POLICY | lost | its calls return | its socket then | it goes on | left there | left here
#
#   lost              what the relay has dropped
#   its calls return  until SOON_S after our close; `read waits`: it has not returned
#   its socket then   and the timer that runs for it (ss -o): without one, nothing ends it
#   it goes on        what it calls next, and what that returns; or what it sees by itself

# shellcheck disable=SC2034 # for the others
LOST_SITUATIONS=(lost_rst lost_rst_keepalive lost_rst_half lost_rst_closed lost_fin lost_fin_ack
    crossing)
SOON_S=1           # after our close
SHORT_TIMEOUT_S=12 # tcp_fin_timeout, where its end is awaited

# --- the situations: also RELAY_OPTIONS; NUDGE, a signal that interrupts the peer (EINTR);
# and TIMEOUT_S, tcp_fin_timeout ---

lost() {
    MEASURE=measure_lost
    RELAY_OPTIONS=$1 NUDGE='' TIMEOUT_S=60
    NEXT="wait-file:$STEP.next:$WAIT_MS"
}

situation_lost_rst() {
    lost '--drop-rst 1'
    TITLE='the RST is lost; it is blocked in read(), and writes later'
    NUDGE=USR1
    PEERS+=" signal-count:USR1 say:ready read:1 $NEXT $WRITES $END"
}

# Our host forgets a FIN_WAIT2 of its own soon, so that a probe finds nothing there.
situation_lost_rst_keepalive() {
    lost '--drop-rst 1'
    TITLE='the RST is lost; it is blocked in read(), and turns keep-alive on later'
    TIMEOUT_S=1
    PEERS="keepidle:1 keepintvl:1 $PEERS say:ready thread $NEXT keepalive end"
    PEERS+=" read:1 poll:none:20000 join $END"
}

situation_lost_rst_half() {
    IN=FIN_WAIT2
    lost '--drop-rst 1'
    TITLE='the RST is lost; it has half-closed and still reads'
    NUDGE=USR1 TIMEOUT_S=$SHORT_TIMEOUT_S
    OURS+=' read:1'
    PEERS+=" shutdown:wr signal-count:USR1 say:ready read:1 $NEXT $END"
}

situation_lost_rst_closed() {
    IN=FIN_WAIT2
    lost '--drop-rst 1'
    TITLE='the RST is lost; it has closed'
    TIMEOUT_S=$SHORT_TIMEOUT_S
    OURS+=' read:1'
    PEERS+=' close say:ready'
}

situation_lost_fin() {
    lost '--drop-fin 1 --only near'
    TITLE='our FIN is lost; it is blocked in read()'
    PEERS+=" say:ready readall $NEXT $END"
}

situation_lost_fin_ack() {
    lost '--drop-fin-ack 1 --only far'
    TITLE='the ACK of our FIN is lost; it is blocked in read()'
    PEERS+=" say:ready readall $NEXT $END"
}

situation_crossing() {
    lost '--cross 1000'
    TITLE='the FINs cross: it closes when we do'
    PEERS+=" say:ready wait-file:$STEP.go:$WAIT_MS close"
}

# --- the measurement ---

# make_link: sets ADDRESS, PEER_PID and AT_PEER, to the far end.
make_link() {
    local options sysctls PID
    read -ra options <<<"$RELAY_OPTIONS"
    RTO_MIN=1s open_link "$LINK" "${options[@]}" || return
    find_pid "relay$LINK"
    PEER_PID=$PID
    AT_PEER=(nsenter --net="/proc/$PID/ns/net")
    ADDRESS=10.99.$LINK.2
    sysctls="cd /proc/sys/net/ipv4; echo $TIMEOUT_S >tcp_fin_timeout; echo 0 >tcp_rfc1337"
    sh -c "$sysctls"
    "${AT_PEER[@]}" sh -c "$sysctls"
}

# dropped: what the relay has, after close_link.
dropped() {
    local all
    all=$(output_of "relay$LINK" | awk '
        { for (i = 2; i <= NF; i++) if (split($i, part, "=") == 2) sum[part[1]] += part[2] }
        END { if (sum["rst-dropped"]) print "RST"
              if (sum["fin-dropped"]) print "FIN"
              if (sum["fin-ack-dropped"]) print "ACK" }' | paste -sd' ')
    echo "${all:--}"
}

its_host_is_calm() {
    there
    [[ $SOCKETS =~ ^(-|TIME_WAIT|FIN_WAIT2)$ ]]
}

# left_there: at the peer's host when the peer has closed, and what becomes of FIN_WAIT2.
left_there() {
    local left
    until_true 10000 its_host_is_calm || true
    there_and_timers
    left=$SOCKETS
    if [[ $left == FIN_WAIT2* ]]; then
        until_true 20000 both_are_calm || true
        there
        left+="; then $SOCKETS"
    fi
    echo "$left"
}

measure_lost() {
    local seen="$BATS_TEST_TMPDIR/seen" first socket next there
    make_link && begin "$1" && end_ours || return
    sleep $SOON_S
    its_output >"$seen"
    there_and_timers
    socket=$SOCKETS
    [[ -z $NUDGE ]] || kill "-$NUDGE" "$(pid_of peer)"
    : >"$STEP.next"
    ends peer || return
    there=$(left_there)
    until_true 5000 both_are_calm || true
    close_link "$LINK" >/dev/null
    first=$(calls <"$seen")
    [[ $PEERS != *' read'* || -s $seen ]] || first='read waits'
    next=$(its_output | tail -n +$(($(wc -l <"$seen") + 1)) | calls)
    here
    echo "$1 | $(dropped) | $first | $socket | $next | $there | $SOCKETS"
}
