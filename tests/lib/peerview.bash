# shellcheck shell=bash
# The peer's view of our close; loaded after helper and outcome. Owns the measurement, which
# tests/peer-view prints and the bats files check: one connection per situation of the peer and
# policy of ours, and what is seen of it, a row:
#
#   POLICY | what the peer's calls return | its socket then | left there | left here
#
#   its socket   its state once the calls are over, while the peer still holds it
#   left there   the sockets that the peer's host keeps when the peer has closed, too
#   left here    the same for ours
#
# We are the client. Both sides are scripts for act; real servers are in peerview_servers.bash.
# Other files add situations: a function `situation_NAME` that sets what `situation` lists.

# With waits that are long for what comes by itself, and short for what never comes.
# shellcheck disable=SC2034 # for the others
VIEW_POLICIES=(off linger:1 reap auto fin-rst last-read drain:2000 drain-eof:2000 abort delay:50)
# shellcheck disable=SC2034
SITUATIONS=(read queued window polling prompt late late_accept getpeername shutdown err_hup
    unread sending half half_reply closed nginx tls tls_both)
WAIT_MS=60000 # for what must come

# --- the situations: TITLE, OURS, PEERS; and what else `situation` lists ---

# The peer's last steps, and those of a peer that writes twice: the second time when an answer
# to the first has come.
END='state close'
WRITES="sigpipe-count write:10 sigpipe-count wait-state:CLOSE:10000 write:10 sigpipe-count"

# situation NAME: sets TITLE; OURS, our steps up to the close; PEERS, the peer's, with
# `say:ready` when it is in the situation; BEFORE, our steps before connect; ACCEPT, the peer's
# up to its accept(); READY, in how many threads it says so; IN, the state that its socket is in
# by then; MEASURE, what takes it from there; PEER and LISTEN, the peer's program and first step;
# WHOLE, how many bytes are all. The steps after $AFTER come when our kernel has ended what it does
# by itself.
situation() {
    BEFORE='' ACCEPT=accept READY=1 IN='' MEASURE=measure_script WHOLE=1000
    PEER=("$ACT") LISTEN=''
    AFTER="wait-file:$STEP.calm:$WAIT_MS"
    OURS='write:100 readn:50' PEERS='readn:100 write:50'
    "situation_$1"
}

situation_read() {
    TITLE='blocked in read()'
    PEERS+=" say:ready readall $AFTER $END"
}

situation_queued() {
    TITLE='reads slowly: all of ours is in its kernel'
    OURS='write:1000 wait-acked readn:50'
    PEERS="wait-unread:1000 write:50 say:ready $AFTER readslow:100:2 $END"
}

# Our kernel is calm once the peer has read.
situation_window() {
    TITLE='reads slowly: its window is full, most of our 1 MB is unsent'
    OURS='readn:50 nonblock write:1000000'
    PEERS="write:50 wait-unread:1000 say:ready wait-file:$STEP.closed:$WAIT_MS readall $AFTER $END"
}

situation_polling() {
    TITLE='blocked in poll(), epoll_wait(), select(); later polls again and reads'
    READY=3
    PEERS+=" thread say:ready poll:in+rdhup:$WAIT_MS end"
    PEERS+=" thread say:ready epoll:in+rdhup:$WAIT_MS end"
    PEERS+=" thread say:ready select:$WAIT_MS end join"
    PEERS+=" $AFTER poll:in+rdhup:0 epoll:in+rdhup:0 select:0 read:1 read:1 $END"
}

situation_prompt() {
    TITLE='answers our FIN at once, and writes again'
    PEERS+=" say:ready readall $WRITES $END"
}

situation_late() {
    TITLE='writes 100 ms after our close, again, and then reads'
    PEERS+=" say:ready $AFTER sleep:100 $WRITES readall $END"
}

situation_late_accept() {
    TITLE='accepts after our close only; asks who we are, reads, ends by shutdown()'
    OURS='write:1000'
    ACCEPT="say:ready $AFTER accept"
    PEERS="peername readall shutdown:rdwr $END"
}

situation_getpeername() {
    TITLE='asks who we are after our close, and then reads'
    OURS='write:1000 wait-acked readn:50'
    PEERS="wait-unread:1000 write:50 say:ready $AFTER peername readall $END"
}

situation_shutdown() {
    TITLE='has read all, works on it, and ends by shutdown() and close()'
    PEERS+=" say:ready readall $AFTER shutdown:rdwr $END"
}

situation_err_hup() {
    TITLE='looks for ERR and HUP, before it reads what is queued'
    OURS='write:1000 wait-acked readn:50'
    PEERS="wait-unread:1000 write:50 say:ready $AFTER epoll:in+rdhup:0 select:0 readall $END"
}

situation_unread() {
    TITLE='has sent 1000 bytes that we never read; later writes twice'
    OURS+=' wait-unread:1000'
    PEERS+=" write:1000 say:ready $AFTER $WRITES readall $END"
}

situation_sending() {
    TITLE='blocked in write(): has 1 MB to send'
    BEFORE='socket rcvbuf:65536'
    PEERS="sndbuf:65536 $PEERS say:ready sigpipe-count writen:1000000 sigpipe-count $END"
}

situation_half() {
    IN=FIN_WAIT2
    TITLE='has half-closed and still reads; we have read its end'
    OURS+=' read:1'
    PEERS+=" shutdown:wr say:ready readall $AFTER $END"
}

situation_half_reply() {
    TITLE='has half-closed and still reads; our answer is 1000 bytes'
    OURS+=' read:1 write:1000'
    PEERS+=" shutdown:wr say:ready readall $AFTER $END"
}

situation_closed() {
    IN=FIN_WAIT2
    TITLE='has closed; we have read its end'
    OURS+=' wait-state:CLOSE_WAIT read:1'
    PEERS+=' close say:ready'
}

# --- sockets ---

# there_and_timers: sets SOCKETS, the states in the kernel's names, or `-`, and what runs for them.
there_and_timers() {
    local state rest
    SOCKETS=''
    while read -r state rest; do
        state=${state//-/_}
        state=${state/#FIN_WAIT_/FIN_WAIT}
        SOCKETS+="${SOCKETS:+ }${state/%ESTAB/ESTABLISHED}"
        [[ $state != TIME_WAIT ]] || continue
        [[ $rest =~ timer:\(([a-z]+) ]] && SOCKETS+=", timer ${BASH_REMATCH[1]}" || SOCKETS+=', no timer'
    done < <("${AT_PEER[@]}" ss -Htano exclude listening "sport = :$PORT")
    SOCKETS=${SOCKETS:--}
}

# states_of client|server [PID]: the same of this namespace's, or the process's, but LISTEN.
states_of() {
    local ENDS end
    find_ends "$PORT" "${@:2}"
    SOCKETS=''
    for end in "${ENDS[@]}"; do
        [[ $end != "$1 "* || $end == *' LISTEN' ]] || SOCKETS+="${SOCKETS:+ }${end#* }"
    done
    SOCKETS=${SOCKETS:--}
}

here() {
    states_of client
}

# The peer's host: this namespace, or that of PEER_PID, to which the command AT_PEER gets.
there() {
    # shellcheck disable=SC2086 # or none
    states_of server ${PEER_PID-}
}

# Whether our kernel has done what it does by itself: the peer's part may be missing.
we_are_calm() {
    here
    [[ $SOCKETS =~ ^(-|TIME_WAIT|FIN_WAIT2)$ ]]
}

both_are_calm() {
    here
    [[ $SOCKETS =~ ^(-|TIME_WAIT)$ ]] && there && [[ $SOCKETS =~ ^(-|TIME_WAIT)$ ]]
}

# --- a scripted peer ---

# asleep NAME: none of its threads runs, or it has ended.
asleep() {
    local file pid stat
    read -r pid <"$BATS_TEST_TMPDIR/$1.process"
    for file in "/proc/$pid/task"/*/stat; do
        ! read -r stat 2>/dev/null <"$file" || [[ ! $stat =~ \)\ [RD] ]] || return 1
    done
}

is_ready() {
    local line count=0
    while read -r line; do
        [[ $line != *'say ready' ]] || count=$((count + 1))
    done <"$BATS_TEST_TMPDIR/peer.out"
    [[ $count -ge $READY ]] && asleep peer && { [[ -z $IN ]] || { there && [[ $SOCKETS == "$IN" ]]; }; }
}

# left: sets THERE and HERE, what is left at both.
left() {
    there
    THERE=$SOCKETS
    here
    HERE=$SOCKETS
}

# begin POLICY: the connection, until the peer is in the situation and we are about to close.
begin() {
    local peers ours
    read -ra peers <<<"$ACCEPT $PEERS"
    read -ra ours <<<"$BEFORE connect:$ADDRESS:$PORT $OURS"
    start peer "${AT_PEER[@]}" "${PEER[@]}" "${LISTEN:-listen:$ADDRESS:$PORT}" "${peers[@]}"
    wait_output peer '^listen [0-9]' || return
    start us preload "$1" act "${ours[@]}" "wait-file:$STEP.go:$WAIT_MS" close \
        "sync:$STEP.closed"
    until_true "$WAIT_MS" is_ready || not_ready
}

not_ready() {
    echo 'the peer is not ready; we and it:'
    output_of us
    output_of peer
    return 1
}

# ends NAME: waits for it, and prints what it printed only if it failed.
ends() {
    local output
    output=$(finish "$1" 30000) && return
    echo "$output"
    return 1
}

# end_ours: we close, and our kernel ends what it can.
end_ours() {
    : >"$STEP.go"
    ends us || return
    until_true 15000 we_are_calm || true
    : >"$STEP.calm"
}

# calls: what the peer's calls returned, of its output from `say ready` on, in words. What its
# threads saw at the same time is told in one order, and what was cut off as `part`.
calls() {
    awk -v READY="$READY" -v WHOLE="$WHOLE" '
        function add(text) { all = all (all ? ", " : "") text }
        function number(n) { return n == 1000 || n == 1000000 || n == WHOLE ? n : "part" }
        function events(call, value) {
            seen[call] = call != "select" ? value : $2 ? "readable" : "nothing"
            if (++count == READY)
                flush_events()
        }
        function flush_events() {
            if ("epoll" in seen && "poll" in seen && seen["poll"] == seen["epoll"]) add("poll+epoll " seen["poll"])
            else {
                if ("poll" in seen) add("poll " seen["poll"])
                if ("epoll" in seen) add("epoll " seen["epoll"])
            }
            if ("select" in seen) add("select " seen["select"])
            delete seen
            count = 0
        }
        { sub(/^thread /, "") }
        $1 ~ /^read(all|slow)$/ { add("read " ($2 ? number($2) ", " : "") $3) }
        $1 == "read" && $3 != "EINTR" { add("read " ($2 == "0" ? "EOF" : $2 < 0 ? $3 : $2)) }
        $1 == "peername" { add("getpeername " ($2 < 0 ? $3 : "answers")) }
        $1 == "shutdown" { add("shutdown " ($2 < 0 ? $3 : $2)) }
        $1 == "write" { add("write " ($2 < 0 ? $3 : $2)) }
        $1 == "writen" { add("write " number($2) ($3 ? ", " $3 : "")) }
        $1 ~ /^(e?poll|select)$/ { events($1, $3) }
        $1 == "sigpipe-count" && $2 > pipes { all = all " SIGPIPE"; pipes = $2 }
        END { print all ? all : "-" }'
}

its_output() {
    sed '1,/say ready$/d' "$BATS_TEST_TMPDIR/peer.out"
}

# its_state: of the peer's socket after its calls, by its TCP_INFO.
its_state() {
    local verb what state
    while read -r verb what; do
        [[ $verb != state ]] || state=$what
    done <"$BATS_TEST_TMPDIR/peer.out"
    echo "${state:--}"
}

# measure_script POLICY: prints the row.
measure_script() {
    begin "$1" && end_ours && ends peer || return
    until_true 3000 both_are_calm || true
    left
    echo "$1 | $(its_output | calls) | $(its_state) | $THERE | $HERE"
}

# --- all policies in one situation ---

# measure SITUATION POLICY N PORT: prints the row of the Nth policy. In a place of its own: they
# run at the same time.
# shellcheck disable=SC2030,SC2031 # for the subshell only
measure() (
    BATS_TEST_TMPDIR+=/$1.$3
    [[ ! -e $BATS_TEST_TMPDIR ]] || rm -rf "$BATS_TEST_TMPDIR"
    mkdir -p "$BATS_TEST_TMPDIR"
    STEP=$BATS_TEST_TMPDIR/step
    ADDRESS=127.0.0.1 PEER_PID='' AT_PEER=()
    LINK=$3 PORT=$4
    trap teardown EXIT
    situation "$1"
    $MEASURE "$2"
)

# view SITUATION [POLICY...]: prints the rows, in the order of the policies.
# shellcheck disable=SC2031
view() {
    local situation=$1 rows=$BATS_TEST_TMPDIR/rows port i pids=() failed=0
    shift
    [[ $# -gt 0 ]] || set -- "${VIEW_POLICIES[@]}"
    mkdir -p "$rows"
    for ((i = 1; i <= $#; i++)); do
        port=$(port)
        measure "$situation" "${!i}" "$i" "$port" >"$rows/$situation.$i" 2>&1 3>&- &
        pids+=($!)
    done
    for i in "${!pids[@]}"; do
        wait "${pids[i]}" || failed=1
        cat "$rows/$situation.$((i + 1))"
    done
    return $failed
}
