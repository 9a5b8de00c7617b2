# notimewait report under slots: the slot is what is compared, and port exhaustion is seen.
# shellcheck disable=SC2154 # what run sets
load ../lib/helper
load ../lib/board
load ../lib/clock
load ../lib/recycling

says() {
    jq -c "$1" <<<"$output"
}

# turns FIRST COUNT SPLIT STEP...: a client in each of COUNT slots of 10 s from number FIRST on.
turns() {
    local n
    for ((n = $1; n < $1 + $2; n++)); do
        at $((n * 10 + 7)) "$3" act "${@:4}"
    done >/dev/null
}

@test "off against auto through 50 ports: failures in off's slots alone, and the verdict is right" {
    local limits=/proc/sys/net/ipv4/ip_local_port_range before
    before=$(<$limits)
    export NOTIMEWAIT_SPLIT=slot:10
    serve "$PORT" loop:2000 accept readall close end
    keep_order
    echo '40000 40049' >$limits
    turns 100 14 'off|auto' loop:60 "connect:$PORT" close end
    echo "$before" >$limits
    at 1007 'off|auto' act sleep:1 # nothing
    run "$START" report --json "$BOARD"
    echo "$output"
    board_cells slots
    # Seven slots of each. Auto's is the first, and leaves the ports in TIME_WAIT.
    [[ $(says '.arms[0]|[.policy,.connections,.connect_errors]') == '["off",0,{"EADDRNOTAVAIL":420}]' ]]
    [[ $(says '.arms[1]|[.policy,.connections,.connect_errors]') == '["auto",420,{}]' ]]
    [[ $(says '.arms[1].recycled') -ge 370 ]]
    [[ $(says '.differences[0]|[.measure,.high < 0]') == '["connect_errors",true]' ]]
    [[ $(says '.differences[0].verdict') =~ ^\"fewer\ failed\ connects\ than\ under\ off ]]
    run "$START" report "$BOARD"
    [[ $output == *'Slots are compared, 14 of them; 0 connections of wash-outs are left out.'* ]]
}

@test "few slots say nothing, however many connections they had; wash-out is left out" {
    export NOTIMEWAIT_SPLIT=slot:10
    serve "$PORT" loop:1000 accept readall close end
    turns 100 4 'off|auto' loop:100 "connect:$PORT" close end
    at 1041 'off|auto' act loop:50 "connect:$PORT" close end
    run "$START" report --json "$BOARD"
    echo "$output"
    [[ $(says '[.arms[].connections]|add') -eq 400 ]]
    [[ $(says '.differences[0]|[.low,.high]') == '[null,null]' ]]
    [[ $(says '.differences[0].verdict') =~ ^\"no\ difference\ seen\;\ [0-9]+\ more\ slots ]]
    run "$START" report "$BOARD"
    [[ $output == *'Slots are compared, 4 of them; 50 connections of wash-outs are left out.'* ]]
}

@test "where there is nothing but wash-out, the arm is there, and says so" {
    export NOTIMEWAIT_SPLIT=slot:10
    serve "$PORT" loop:5 accept readall close end
    at 1001 'off|auto' act loop:5 "connect:$PORT" close end
    run "$START" report "$BOARD"
    echo "$output"
    grep -Eq '^connections +0$' <<<"$output"
    [[ $output == *'0 of them; 5 connections of wash-outs are left out.' ]]
}

@test "a slot that is not over does not count yet" {
    export NOTIMEWAIT_SPLIT=slot:86400
    serve "$PORT" loop:10 accept readall close end
    at "$(($(date +%s) / 86400 * 86400 + 70))" 'off|auto' act loop:5 "connect:$PORT" close end
    run "$START" report "$BOARD"
    [[ $output == *'Slots are compared, 0 of them'* ]]
}
