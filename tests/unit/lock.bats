# The lock of ports, which connect() takes also in a signal handler.
load ../lib/helper

@test "a handler gets the lock at whatever moment it interrupts the thread that has it" {
    run "$BUILD/tests/lock"
    echo "$output"
    [[ $status -eq 0 && $output =~ ^20[0-9]{3}' signals, some above the holder, 0 refused, 0 lost'$ ]]
}
