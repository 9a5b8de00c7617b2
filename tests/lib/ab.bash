# shellcheck shell=bash
# What the tests of notimewait ab share: `load ab`.
# shellcheck disable=SC2034 # used in the tests
# shellcheck disable=SC2154 # what run sets
# shellcheck disable=SC2153 # BUILD is the helper's

START=$BUILD/notimewait
share_cpu # each TIME_WAIT is counted

# legacy_server: starts the server that reads to EOF, replies and reports.
legacy_server() {
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply --report
    wait_output server '^ready'
}

# legacy_report: stops it; prints its report.
legacy_report() {
    kill "$(pid_of server)"
    finish server
}

# ab OPTION... -- COMMAND...: only its stdout in $output, and its stderr in $stderr.
ab() {
    run --separate-stderr env TMPDIR="$BATS_TEST_TMPDIR" "$START" ab "$@"
    echo "$output"
    echo "$stderr"
    [[ -z $(compgen -G "$BATS_TEST_TMPDIR/notimewait-*") ]] # it tidies up
}

# ab_client OPTION...: the same with legacy-client making 50 connections.
ab_client() {
    ab "$@" -- "$BUILD/examples/legacy-client" --port "$PORT" --reply --connections 50
}

# What runs the rest without CAP_NET_ADMIN.
unprivileged=(setpriv --bounding-set -net_admin --inh-caps -net_admin --ambient-caps -net_admin)

# row LABEL: that line of the table.
row() {
    grep "^$1 " <<<"$output"
}

# figures FILTER: of the JSON.
figures() {
    jq -c "$1" <<<"$output"
}
