# notimewait advise: which side closed first, as far as that can be known.
# shellcheck disable=SC2154 # what run sets
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
load ../lib/recycling
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait

@test "who closed first: our side; both at once, where both ends are seen; else not known" {
    ports 2000
    left_behind 1
    run "$START" advise --seconds 1
    echo "$output"
    [[ $output == *"127.0.0.1:$PORT: 1 now, 1 at most; "*'; our side closed first'$'\n'* ]]
    new_port
    # The FINs cross: ours waits behind 4 MB.
    local go=$BATS_TEST_TMPDIR/go shut=$BATS_TEST_TMPDIR/shut
    start server act socket rcvbuf:16384 "listen:$PORT" accept "wait-file:$shut:20000" shutdown:wr \
        "wait-file:$go:20000" readall close
    wait_output server '^listen'
    start client act "connect:$PORT" nonblock write:4000000 shutdown:wr "sync:$shut" wait-state:CLOSING close
    finish client
    touch "$go"
    finish server
    settle "$PORT"
    states "$PORT"
    [[ $(time_wait_client "$PORT") -eq 1 && $(time_wait_server "$PORT") -eq 1 ]]
    left_behind 2
    run "$START" advise --seconds 1
    echo "$output"
    [[ $output == *"127.0.0.1:$PORT: 3 now, 3 at most; "*'; 1 closed by both sides at once, at most; of the others our side closed first'$'\n'* ]]
    [[ $output != *'servers  '*'which closed first: '* ]]
}

@test "who closed first to a peer elsewhere is not known: both at once looks the same" {
    local pid
    share_cpu
    unshare -n sleep 100 </dev/null >/dev/null 2>&1 3>&- &
    pid=$!
    is_elsewhere() {
        [[ $(readlink /proc/self/ns/net) != "$(readlink "/proc/$pid/ns/net")" ]]
    }
    until_true 5000 is_elsewhere
    ip link add near type veth peer name far netns "$pid" || { kill $pid && skip 'no veth here'; }
    ip addr add 10.78.0.1/24 dev near
    ip link set near up
    nsenter -n -t $pid sh -c 'ip addr add 10.78.0.2/24 dev far; ip link set far up; ip link set lo up'
    start server nsenter -n -t $pid "$ACT" "listen:10.78.0.2:$PORT" loop:20 accept readall close end
    wait_output server '^listen'
    ports 2000
    act loop:20 "connect:10.78.0.2:$PORT" write:1 close end >/dev/null
    finish server
    run "$START" advise --seconds 1
    kill $pid # and so the link
    echo "$output"
    [[ $output == *"10.78.0.2:$PORT: 20 now"*'our side closed first, or both at once, which does not show from here'* ]]
}
