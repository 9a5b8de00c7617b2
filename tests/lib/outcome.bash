# shellcheck shell=bash
# What the tests of the policies share; loaded after helper. Owns one connection between `us`,
# who close it under a policy, and a plain `peer`, and the words for what was seen of its end:
#
#   reads=1000 EOF, rst=no, keeps=us, does=none off
#
#   reads   what the peer's readall or readslow got, and what ended it; or nothing
#   rst     whether any RST was sent in the namespace (OutRsts)
#   keeps   who is left in TIME_WAIT: us, peer, both or none
#   does    action and reason in the library's log

# shellcheck disable=SC2034 # some are for the tests only
{
    # As NOTIMEWAIT_POLICY takes them, and the same with waits that no test would survive.
    POLICIES=(off auto fin-rst last-read drain drain:500 drain-eof:300 abort delay:20 linger:2)
    PATIENT_POLICIES=(off auto fin-rst last-read drain:60000 drain-eof:60000 abort delay:60000
        linger:60)
    # How the connection is made, and with or without NOTIMEWAIT_LOG.
    VARIANTS=(v4 v6 v4-nonblock v6-nonblock v4-unlogged)
    # Where two scripts keep step: sync:$STEP.NAME, wait-file:$STEP.NAME
    STEP=$BATS_TEST_TMPDIR/step
}

# roomy_sndbuf: new sockets take 16 MB from one write. For setup_file.
roomy_sndbuf() {
    echo '4096 16777216 33554432' >/proc/sys/net/ipv4/tcp_wmem
}

# roomy_rcvbuf: new sockets take 4 MB of input that nobody reads. For setup_file.
roomy_rcvbuf() {
    echo '4096 16777216 33554432' >/proc/sys/net/ipv4/tcp_rmem
}

# --- the connection ---

# connecting VARIANT: the steps that connect to $PORT.
connecting() {
    case $1 in
    v4-nonblock) echo "connect-nonblock:$PORT connect-wait" ;;
    v6-nonblock) echo "connect-nonblock:[::1]:$PORT connect-wait" ;;
    v6*) echo "connect:[::1]:$PORT" ;;
    *) echo "connect:$PORT" ;;
    esac
}

# listening VARIANT: the steps that listen at $PORT.
listening() {
    case $1 in
    v6*) echo "listen:[::1]:$PORT" ;;
    *) echo "listen:$PORT" ;;
    esac
}

# accepting VARIANT: the step that accepts.
accepting() {
    case $1 in
    *-nonblock) echo poll:in:5000@l accept4:nonblock ;;
    *) echo accept ;;
    esac
}

# idle POLICY: the reason where the state is one in which no lever acts.
idle() {
    case $1 in
    off) echo off ;;
    auto) echo plain ;;
    *) echo state ;;
    esac
}

# resets: sets RESETS, how many RST were sent in the namespace so far.
resets() {
    local text values
    slurp /proc/net/snmp
    read -ra values <<<"${text##*$'\n'Tcp: }"
    RESETS=${values[13]}
}

# start_us POLICY VARIANT STEP...: none: without the library.
start_us() {
    [[ $1 != none ]] || { start us act "${@:3}" && return; }
    local -x NOTIMEWAIT_LOG=$LOG
    [[ $2 != *-unlogged ]] || NOTIMEWAIT_LOG=''
    start us preload "$1" act "${@:3}"
}

# meet POLICY ROLE VARIANT OURS PEERS [LISTENER]: a connection at a new $PORT. ROLE, client or
# server, is ours; OURS and PEERS are steps in one word each, after connect and accept; LISTENER
# are steps before listen.
meet() {
    local policy=$1 variant=$3 clients=$4 servers=$5 as_client as_server
    share_cpu
    new_port
    : >"$LOG"
    ! compgen -G "$STEP.*" >/dev/null || rm -f "$STEP".*
    resets
    ROLE=$2
    [[ $ROLE == client ]] || { clients=$5 && servers=$4; }
    read -ra as_client <<<"$(connecting "$variant") $clients"
    read -ra as_server <<<"${6-} $(listening "$variant") $(accepting "$variant") $servers"
    if [[ $ROLE == client ]]; then
        start peer act "${as_server[@]}"
        wait_output peer '^listen [0-9]'
        start_us "$policy" "$variant" "${as_client[@]}"
    else
        start_us "$policy" "$variant" "${as_server[@]}"
        wait_output us '^listen [0-9]'
        start peer act "${as_client[@]}"
    fi
}

# --- what was seen: each of find_* sets a variable of its name, without a process ---

# keeps: us, peer, both or none.
find_keeps() {
    local client=0 server=0 ENDS end
    find_ends "$PORT"
    for end in "${ENDS[@]}"; do
        [[ $end != 'client TIME_WAIT' ]] || client=$((client + 1))
        [[ $end != 'server TIME_WAIT' ]] || server=$((server + 1))
    done
    case $client$server$ROLE in
    00*) KEEPS=none ;;
    11*) KEEPS=both ;;
    10client | 01server) KEEPS=us ;;
    01client | 10server) KEEPS=peer ;;
    *) KEEPS="client=$client server=$server" ;;
    esac
}

keeps() {
    find_keeps
    echo "$KEEPS"
}

# logged FIELD...: what the log's records say. Not by jq, which would take longer than all the
# rest; that they are JSON is for log.bats.
find_logged() {
    local record field words=()
    LOGGED='no record'
    [[ -s $LOG ]] || return 0
    while read -r record; do
        for field; do
            [[ $record =~ [{,]\"$field\":\"?([^,\"]*) ]]
            words+=("${BASH_REMATCH[1]}")
        done
    done <"$LOG"
    LOGGED=${words[*]}
}

logged() {
    find_logged "$@"
    echo "$LOGGED"
}

# ended: both have ended, our close and every wait did what it should, and nothing is on its way
# any more.
ended() {
    finish us 20000 && finish peer 20000 && settle "$PORT" || return
    ! grep -E '^close(-timed)? ([^0]|0 errno)|^[a-z-]+ timeout' \
        "$BATS_TEST_TMPDIR"/{us,peer}.out
}

# rst: yes or no. One close may make two of them: a second one answers what crossed the first.
find_rst() {
    local before=$RESETS
    resets
    RST=yes
    [[ $RESETS -ne $before ]] || RST=no
}

rst() {
    find_rst
    echo "$RST"
}

# reads: what the peer's last readall or readslow printed.
find_reads() {
    local verb result
    READS=nothing
    while read -r verb result; do
        [[ $verb != readall && $verb != readslow ]] || READS=$result
    done <"$BATS_TEST_TMPDIR/peer.out"
}

reads() {
    find_reads
    echo "$READS"
}

# seen: prints the outcome in the words above.
seen() {
    find_reads && find_rst && find_keeps && find_logged action reason
    echo "reads=$READS, rst=$RST, keeps=$KEEPS, does=$LOGGED"
}

# same WHAT SEEN PATTERN
same() {
    # shellcheck disable=SC2053 # a pattern
    [[ $2 == $3 ]] && return
    printf '%s\n expected: %s\n     seen: %s\n' "$1" "$3" "$2"
    printf -- '--- we:\n%s\n--- the peer:\n%s\n' "$(output_of us)" "$(output_of peer)"
    return 1
}

# outcome POLICY ROLE VARIANT OURS PEERS EXPECTED [LISTENER]: the connection, until its end, and
# what is to be seen of it.
outcome() {
    meet "${@:1:5}" "${7-}"
    ended
    if [[ $3 == *-unlogged ]]; then
        same "${*:1:3}" "$(seen)" "${6%does=*}does=no record"
    else
        same "${*:1:3}" "$(seen)" "$6"
    fi
}
