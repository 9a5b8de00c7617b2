# A linger of the application's own: it decides how its close goes, and its ports are taken over as
# others are.
load ../lib/helper
load ../lib/each-policy
load ../lib/recycling

policy=auto # each_policy sets it

# lingering LINGER COUNT END [STEP]: COUNT connections with it, each of which the server reads to END.
lingering() {
    rm -f "$LOG"
    serve "$PORT" quiet "loop:$2" accept loud readall quiet close end
    NOTIMEWAIT_LOG=$LOG preload "$policy" act "loop:$2" socket "linger:1:$1" "connect:$PORT" write:10 \
        "${@:4}" close end
    run finish server
    echo "$output" | uniq -c
    [[ $(grep -cx "readall 10 $3" <<<"$output") -eq $2 ]]
    [[ $(logged action reason | uniq -c | xargs) == "$2 none app-linger" ]]
}

# positive: more connections than ports; each leaves TIME_WAIT, as without the library.
positive() {
    ports 4
    lingering 5 10 EOF
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 4 && $(logged recycled | uniq -c | xargs) == '4 false 6 true' ]]
}

@test "SO_LINGER {1,5}: the close is the application's, and its port comes again" {
    ONLY='auto fin-rst abort' each_policy positive
}

@test "SO_LINGER {1,0} on a port that was taken over: the close resets, as the application wants it" {
    zero() {
        ports 4
        policy=auto lingering 5 4 EOF
        lingering 0 1 ECONNRESET wait-acked
        [[ $(logged recycled) == true && $(time_wait_client "$PORT") -eq 3 ]]
    }
    ONLY='auto fin-rst' each_policy zero
}

@test "off: no port is taken over, whatever the linger" {
    ports 4
    serve "$PORT" quiet loop:4 accept readall close end
    run preload off act loop:20 socket linger:1:5 "connect:$PORT" write:10 close end
    echo "$output"
    [[ $output == 'loop 20 errors='* && $output != *errors=0 ]]
    finish server
}
