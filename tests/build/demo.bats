# The README's demo. Its own checks decide: it fails when its story does not hold.
load ../lib/helper

# row NAME CELLS: whether the output has a line of the name and then these cells (a regex).
row() {
    local line
    while IFS= read -r line; do
        [[ $line =~ ^\ +$1\ +$2$ ]] && return
    done <<<"$output"
    echo "no row '$1' like '$2'"
    return 1
}

@test "make demo: stops without the library, 20,000 under auto, what the others cost a server" {
    run examples/demo "$BUILD" 3>&-
    echo "$output"
    [[ $status -eq 0 ]]
    [[ $output == *tcp_tw_reuse=0* ]]
    [[ $output =~ connections=(9[0-9]{2}|1[0-9]{3})' failed=1' ]]
    [[ $output == *'connections=20000 failed=0 errors=0'* ]]
    # Made, failed, TIME_WAIT at the client, RSTs sent, errors at the server, per second.
    row auto '20000 +0 +[0-9]{1,3}0? +0 +0 +[0-9]+'
    row fin-rst '5000 +0 +0 +5000 +[0-9]+ +[0-9]+'
    row abort '5000 +0 +0 +[5-9][0-9]{3} +[1-9][0-9]* +[0-9]+'
    # Against the slow server: peer unknown, ECONNRESET, bytes lost.
    row auto '0 of 20 +0 of 20 +0 %'
    row fin-rst '(1[0-9]|20) of 20 +0 of 20 +0 %'
    row last-read '0 of 20 +20 of 20 +0 %'
    row abort '(1[0-9]|20) of 20 +20 of 20 +[1-9][0-9]* %'
}

@test "legacy-client and legacy-server explain themselves and refuse what they do not know" {
    local program
    for program in legacy-client legacy-server; do
        run "$BUILD/examples/$program" --help
        [[ $status -eq 0 && $output == *--port* && ${#lines[@]} -lt 25 ]]
        run "$BUILD/examples/$program" --port 70000
        echo "$output"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 ]]
    done
    run "$BUILD/examples/legacy-server" --behind=1s
    [[ $status -eq 2 && $output == *--behind* ]]
}
