#!/usr/bin/env bats
# Clients in more languages: by preload and supervised. Perl is everywhere; the others take room, and
# run with PROGRAMS_ALL=1.
# shellcheck disable=SC2034,SC2154 # what row uses; under is runs.bash's

load ../lib/helper
load ../lib/runs
load ../lib/daemons

ARMS=(none auto fin-rst last-read supervise:auto supervise:fin-rst user:fin-rst user:supervise:fin-rst)

@test "Perl" {
    serve_python eof
    row Perl perl once perl "$PUBLIC/client.pl" @HOST @PORT @COUNT
}

@test "Ruby" {
    all_only
    need ruby
    serve_python eof
    row Ruby ruby once ruby "$PUBLIC/client.rb" @HOST @PORT @COUNT
}

@test "Erlang" {
    all_only
    need escript
    serve_python eof
    { echo '#!/usr/bin/env escript' && cat tests/programs/client.erl; } >"$BATS_TEST_TMPDIR/client"
    row Erlang erl once escript "$BATS_TEST_TMPDIR/client" @HOST @PORT @COUNT
}

@test "Rust" {
    all_only
    need rustc
    serve_python eof
    rustc -O -o "$BATS_TEST_TMPDIR/dynamic" tests/programs/client.rs
    row Rust rustc once "$BATS_TEST_TMPDIR/dynamic" @HOST @PORT @COUNT
}

@test "Rust, static" {
    all_only
    need rustc
    serve_python eof
    ARMS=(none supervise:auto supervise:fin-rst user:supervise:fin-rst)
    rustc -O -C target-feature=+crt-static -o "$BATS_TEST_TMPDIR/static" tests/programs/client.rs
    row 'Rust static' rustc once "$BATS_TEST_TMPDIR/static" @HOST @PORT @COUNT
}

@test "Go with cgo: it makes its system calls itself all the same" {
    all_only
    need go
    serve_python eof
    { sed 's/^import (/import "C"\n\nimport (/' tests/programs/client.go; } >"$BATS_TEST_TMPDIR/client.go"
    GOCACHE=$BATS_TEST_TMPDIR/cache CGO_ENABLED=1 go build -o "$BATS_TEST_TMPDIR/client" \
        "$BATS_TEST_TMPDIR/client.go"
    ARMS=(none supervise:auto supervise:fin-rst user:supervise:fin-rst)
    row 'Go with cgo' go once "$BATS_TEST_TMPDIR/client" @HOST @PORT @COUNT
}

@test "Mono: the seven techniques, and a plain close" {
    all_only
    need mcs
    local way
    mcs -out:"$BATS_TEST_TMPDIR/client.exe" tests/programs/Client.cs
    serve_python eof
    row 'Mono, a plain close' mono once mono "$BATS_TEST_TMPDIR/client.exe" reply @HOST @PORT @COUNT
    # What the program says of its close stands, whatever the policy.
    for way in abort sleep linger unread disconnect read-last; do
        HOST=127.0.0.1
        use_arm auto
        run "${under[@]}" mono "$BATS_TEST_TMPDIR/client.exe" "$way" 127.0.0.1 "$PORT" 5
        echo "$way: $output"
        [[ $status -eq 0 ]]
    done
}
