# The README's first command. Its own checks decide: it fails when its story does not hold.
load helper

@test "make demo: 1,000 connections without the library, 20,000 with it, and the table" {
    run examples/demo "$BUILD" 3>&-
    echo "$output"
    [[ $status -eq 0 ]]
    [[ $output =~ connections=1[0-9]{3}' failed=1' ]]
    [[ $output == *'connections=20000 failed=0 errors=0'* ]]
    # Policy, made, failed, TIME_WAIT at client and server, errors at the server.
    [[ $output =~ ' auto '+20000' '+0' '+0' '+0' '+0' ' ]]
    [[ $output =~ ' abort '+[0-9]+' '+0' '+0' '+0' '+[1-9] ]]
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
}
