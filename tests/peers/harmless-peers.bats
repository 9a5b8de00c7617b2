#!/usr/bin/env bats
# No peer can tell `auto` from a program without the library: fifty connections each, to
# servers that look, write, wait and close in many ways. What every call of theirs and of ours
# returned, and how many RSTs were sent, is the same; also when the ports are recycled ones.

load ../lib/helper
load ../lib/outcome

PEERS=$BUILD/tests/peers
CONNECTIONS=${HARMLESS_CONNECTIONS:-50}
FEW_PORTS="20000 $((20000 + CONNECTIONS * 3 / 2))" # CONNECTIONS and some: they come again and again

setup_file() {
    read -r ALL_PORTS </proc/sys/net/ipv4/ip_local_port_range
    export ALL_PORTS
    share_cpu # an ACK that overtakes another, in another CPU's queue, meets a socket that is gone
}

prepare() {
    FEW_PORT=$(port) # the recycled ones' server
}

clean_up() {
    echo "$ALL_PORTS" >/proc/sys/net/ipv4/ip_local_port_range
}

# --- two ends ---

# connect_under ARM STEP...: the clients.
connect_under() {
    local arm=$1 clients=("$PEERS" "connect:$PORT" "$CONNECTIONS" "${@:2}")
    case $arm in
    none) "${clients[@]}" ;;
    recycled) NOTIMEWAIT_STATS=$BATS_TEST_TMPDIR/stats preload auto "${clients[@]}" ;;
    *) preload "$arm" "${clients[@]}" ;;
    esac
}

# counted_lines: each line that is in the clients' or the servers' output, but the first of these,
# and how often.
counted_lines() {
    awk 'FILENAME == ARGV[1] { count["client " $0]++; next }
        FNR > 1 { count["server " $0]++ }
        END { for (line in count) { n = count[line]; sub(/ /, " " n " ", line); print line } }' \
        "$BATS_TEST_TMPDIR"/{clients,servers} | sort
}

# run_both ARM WHEN MS SERVER CLIENT: writes what both ends saw, counted, to the file `seen.ARM`.
# WHEN `late`: nothing is accepted until MS after the clients have closed; `early`: at once. @ in
# a script stands for MS.
run_both() {
    local server client wait after=() gate=$BATS_TEST_TMPDIR/gate seen=$BATS_TEST_TMPDIR/seen.$1
    read -ra server <<<"${4//@/$3}"
    read -ra client <<<"${5//@/$3}"
    rm -f "$gate"
    [[ $2 == early ]] || after=("after:$gate")
    start server "$PEERS" "listen:$PORT" "$CONNECTIONS" "${after[@]}" "${server[@]}"
    wait_output server '^listen'
    connect_under "$1" "${client[@]}" >"$BATS_TEST_TMPDIR/clients"
    printf -v wait 0.%03d "$3"
    [[ $2 == early ]] || pause "$wait"
    : >"$gate"
    finish server >"$BATS_TEST_TMPDIR/servers"
    settle "$PORT" 20000
    counted_lines >"$seen"
}

# see ARM WHEN MS SERVER CLIENT: the same, and sets `sent` to the number of RSTs.
see() {
    local before PORT=$PORT
    if [[ $1 == recycled ]]; then
        PORT=$FEW_PORT
        echo "$FEW_PORTS" >/proc/sys/net/ipv4/ip_local_port_range
    fi
    resets
    before=$RESETS
    run_both "$@"
    resets
    sent=$((RESETS - before))
    echo "$ALL_PORTS" >/proc/sys/net/ipv4/ip_local_port_range
}

# one_story: all connections without the library saw the same: one line of each end.
one_story() {
    [[ $(grep -Ec "^(client|server) +$CONNECTIONS " "$BATS_TEST_TMPDIR/seen.none") -eq 2 ]] &&
        return
    echo "without the library, not all connections see the same:"
    cat "$BATS_TEST_TMPDIR/seen.none"
    return 1
}

# as_without ARM WHEN MS SERVER CLIENT: the ARM sees what there was to see without the library,
# and sends no more RSTs: a lever would send one per connection; a few come and go by themselves,
# where an ACK meets a socket that is gone. To be used after `see none`.
as_without() {
    local plain=$sent most=$((sent + CONNECTIONS / 10))
    see "$@"
    diff "$BATS_TEST_TMPDIR/seen.none" "$BATS_TEST_TMPDIR/seen.$1" && [[ $sent -le $most ]] &&
        sent=$plain && return
    echo "$1 sees other things (>), or sends $sent RSTs, not $plain; $2, $3 ms: $4 / $5"
    return 1
}

# harmless WHEN SERVER CLIENT: at once and 60 ms later, as without the library. (The kernel delays
# an ACK by 40 ms: what follows it is seen after 60.)
harmless() {
    local ms sent
    for ms in 0 60; do
        see none "$1" $ms "$2" "$3"
        one_story
        as_without auto "$1" $ms "$2" "$3"
        [[ $ms -eq 0 ]] || as_without recycled "$1" $ms "$2" "$3"
    done
}

LOOK='peername sockname error info queues poll epoll select'
REQUEST='write:9 readn:5 close'

# --- what they look at ---

@test "accepted after our close: getpeername(), SO_ERROR, events, options, and the message" {
    harmless late "$LOOK nodelay keepalive readall $LOOK close" 'write:9 close'
    harmless late 'peername read:100 read:100 close' 'write:9 close'
    harmless late "$LOOK readall close" 'close'
}

@test "accepted at once, looked at after our close" {
    harmless early "fin sleep:@ $LOOK read:100 $LOOK read:100 $LOOK close" 'write:9 close'
    harmless early "readn:9 write:5 fin sleep:@ $LOOK readall $LOOK close" "$REQUEST"
}

@test "epoll and poll that look for ERR and HUP before IN" {
    harmless late 'epoll poll read:100 epoll poll close' 'write:9 close'
    harmless early 'fin sleep:@ epoll poll select read:100 epoll close' 'write:9 close'
}

@test "peeks, and splices what is queued" {
    harmless late 'peek:100 info peek:100 splice:100 splice:100 error close' 'write:9 close'
    harmless early 'fin sleep:@ peek:100 splice:100 peek:100 close' 'write:9 close'
}

# --- how they end ---

@test "shutdown() after our end, of either direction and both" {
    local how over
    for how in 0 1 2; do
        over=
        [[ $how -eq 0 ]] || over='wait-state:7' # a busy machine lets our ACK of its FIN wait
        harmless early "readall sleep:@ shutdown:$how $over error info close" 'write:9 close'
        harmless late "readall shutdown:$how peername error close" 'write:9 close'
    done
}

@test "closes without reading, at once and late" {
    harmless late 'close' 'write:9 close'
    harmless late 'shutdown:2 readall close' 'write:9 close'
}

@test "its own SO_LINGER, resetting and waiting" {
    local seconds
    for seconds in 0 5; do
        harmless early "linger:$seconds readall sleep:@ close" 'write:9 close'
        harmless late "linger:$seconds readall close" 'write:9 close'
        harmless early "linger:$seconds readn:9 write:5 readall sleep:@ close" "$REQUEST"
    done
}

@test "half-closes, and reads on" {
    harmless early 'readn:9 shutdown:1 readall sleep:@ peername error close' \
        'write:9 wait-state:8 write:7 close'
    harmless early 'readn:9 write:5 shutdown:1 sleep:@ readall shutdown:2 close' \
        'write:9 readall write:30000 close'
}

@test "closes first" {
    harmless early 'readn:9 write:5 sleep:@ close' 'write:9 readall close'
    harmless early 'close' 'readall sleep:@ error close'
}

# --- late writes: the first brings the RST, the second fails ---

@test "writes after our end, once and twice" {
    harmless early 'readall sleep:@ write:10 wait-state:7 error write:10 readall close' \
        'write:9 close'
    harmless early 'readall sleep:@ write:10 wait-state:7 write:10 write:10 peername close' \
        'write:9 close'
    harmless early 'readall sleep:@ write:10 close' 'write:9 close'
}

@test "writes before it reads, after our end" {
    harmless early 'wait-unread:9 fin sleep:@ write:10 wait-state:7 read:100 error close' \
        'write:9 close'
    harmless late 'write:10 wait-state:7 epoll readall write:10 close' 'write:9 close'
}

@test "sendfile() and splice() to us after our end" {
    harmless early 'readall sleep:@ sendfile:1000 wait-state:7 error sendfile:1000 close' \
        'write:9 close'
    harmless early 'readall sleep:@ splice-out:1000 wait-state:7 splice-out:1000 error close' \
        'write:9 close'
}

@test "greets, and is not read: our close resets, as ever" {
    harmless early 'write:20 readall wait-state:7 error peername close' \
        'wait-unread:20 write:9 close'
    harmless early 'write:20 wait-state:7 epoll write:5 error readall close' \
        'wait-unread:20 close'
}

# --- what we do ---

@test "our own SO_LINGER {1,5} and {1,0}" {
    harmless early 'readall sleep:@ peername write:5 close' 'linger:5 write:9 close'
    harmless early 'fin wait-state:7 peername read:9 error read:9 close' 'linger:0 write:9 close'
}

@test "our half-close before our close" {
    harmless early 'readall write:5 sleep:@ close' 'write:9 shutdown:1 readall close'
    harmless early "readall sleep:@ $LOOK close" 'write:9 shutdown:1 close'
}

# --- the tests themselves ---

@test "fin-rst's peer sees another story: the tests would notice" {
    local script='peername epoll readall shutdown:2 close'
    see none late 60 "$script" 'write:9 close'
    run as_without fin-rst late 60 "$script" 'write:9 close'
    echo "$output"
    [[ $status -eq 1 && $output == *'server '*'getpeername ENOTCONN'*'|ERR|HUP'* ]]
}

@test "the recycled ones are recycled" {
    for _ in 1 2 3; do
        see recycled early 0 'readall close' 'write:9 close'
    done
    [[ $(jq -s 'last.policies[0].recycled' "$BATS_TEST_TMPDIR/stats") -gt 0 ]]
}
