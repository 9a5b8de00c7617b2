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
    CGO_ENABLED=1 go build -o "$BATS_TEST_TMPDIR/client" \
        "$BATS_TEST_TMPDIR/client.go"
    ARMS=(none supervise:auto supervise:fin-rst user:supervise:fin-rst)
    row 'Go with cgo' go once "$BATS_TEST_TMPDIR/client" @HOST @PORT @COUNT
}

# mono_client NAME WAY SERVER LEAVES: a way to close, in C#, against a server of that kind.
mono_client() {
    need mcs
    LEAVES=$4
    mcs -out:"$BATS_TEST_TMPDIR/client.exe" tests/programs/Client.cs
    serve_python "$3"
    row "Mono, $1" mono once mono "$BATS_TEST_TMPDIR/client.exe" "$2" @HOST @PORT @COUNT
}

@test "Mono: a plain close, after a reply" {
    all_only
    mono_client 'a plain close' reply eof 5
}

# The seven techniques of examples/technique-client.c. What the program says itself of its close
# stands, whatever the policy: LEAVES is what each leaves without the library.

@test "Mono, technique 1: a plain close after write" {
    all_only
    mono_client '1 plain' plain mute 5
}

@test "Mono, technique 2: a linger of 0 s, that is, a reset" {
    all_only
    mono_client '2 abort' abort mute 0
}

@test "Mono, technique 3: the same, after a sleep" {
    all_only
    mono_client '3 sleep' sleep mute 0
}

@test "Mono, technique 4: a linger of 1 s" {
    all_only
    mono_client '4 linger' linger mute 5
}

@test "Mono, technique 5: the same, and a byte that is not read" {
    all_only
    mono_client '5 unread' unread eof 0
}

@test "Mono, technique 6: disconnect, then a reset" {
    all_only
    mono_client '6 disconnect' disconnect mute 0
}

@test "Mono, technique 7: a reset after a read" {
    all_only
    mono_client '7 read-last' read-last eof 0
}
