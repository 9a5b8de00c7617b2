# The lock of ports, which connect() takes also in a signal handler.
load ../lib/helper
load ../lib/recycling

@test "the lock: handlers that interrupt its thread, a pause among signals, threads alike, lost and found" {
    run "$BUILD/tests/lock"
    echo "$output"
    [[ $status -eq 0 && ${lines[0]} == 'a pause of 20 ms' ]] # which signals do not cut short
    [[ ${lines[1]} == '0 together' ]] # threads of clone() that share thread-local storage
    [[ ${lines[2]} == 'lost and found' ]] # as where the process was stopped
    [[ ${lines[3]} =~ ^20[0-9]{3}' signals, some above the holder, 0 refused, 0 lost'$ ]]
}

@test "a port is taken over although the lock was missed twice, on a busy machine; not later" {
    ports 2
    serve "$PORT" loop:2 accept readall close end
    preload auto act loop:2 "connect:$PORT" write:1 close end
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 2 ]]
    pause 0.1 # none is too young
    [[ $("$BUILD/tests/misses" "$PORT" 3) == 'not taken' ]]
    [[ $("$BUILD/tests/misses" "$PORT" 2) == taken ]]
}
