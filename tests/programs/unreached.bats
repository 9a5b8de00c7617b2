#!/usr/bin/env bats
# Programs that a preload does not reach, or in part: supervised, and PHP by each way.
# shellcheck disable=SC2034 # what row uses

load ../lib/helper
load ../lib/runs

ARMS=(none supervise:auto supervise:fin-rst)

# compiled CC...: the client, linked statically; prints its path.
compiled() {
    "$@" -O2 -static -o "$BATS_TEST_TMPDIR/client" tests/programs/client.c
    echo "$BATS_TEST_TMPDIR/client"
}

@test "static C" {
    local client
    client=$(compiled gcc)
    serve_python eof
    row 'C static' act once "$client" @HOST @PORT @COUNT
}

@test "static C of musl" {
    need musl-gcc
    local client
    client=$(compiled musl-gcc)
    serve_python eof
    row 'C static, musl' musl once "$client" @HOST @PORT @COUNT
}

@test "Go" {
    [[ -n ${PROGRAMS_ALL-} ]] || skip 'PROGRAMS_ALL is not set'
    need go
    GOCACHE=$BATS_TEST_TMPDIR/cache CGO_ENABLED=0 go build -o "$BATS_TEST_TMPDIR/client" tests/programs/client.go
    serve_python eof
    row 'Go static' go once "$BATS_TEST_TMPDIR/client" @HOST @PORT @COUNT
}

@test "PHP's curl: loaded with RTLD_DEEPBIND" {
    need php
    ARMS=(none supervise:fin-rst both:fin-rst drop:fin-rst)
    serve_python eof
    row 'PHP curl' php once php tests/programs/client.php @HOST @PORT @COUNT
}
