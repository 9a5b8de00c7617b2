# shellcheck shell=bash disable=SC2034 # some are for the tests only
# What the tests of who holds a socket share; loaded after helper and each-policy. Owns a
# connection that somebody shares, and what its peer must get.

MIB=1048576
policy=off # each_policy sets it

# reader [N]: the plain server of N connections; it reads slowly, so that a close finds unsent
# data.
reader() {
    local steps=() i
    rm -f "$LOG" "$BATS_TEST_TMPDIR/go"
    for ((i = 0; i < ${1-1}; i++)); do
        steps+=(accept readslow:65536:1 close)
    done
    serve "$PORT" "${steps[@]}"
}

# holder STEP...: the act that shares a connection, under the library.
holder() {
    NOTIMEWAIT_LOG=$LOG preload "$policy" act "$@" >"$BATS_TEST_TMPDIR/held"
}

# delivered BYTES [END]: the reader has got them all, and EOF (or END, a pattern) after them.
delivered() {
    finish server >"$BATS_TEST_TMPDIR/read" || true
    grep -Ex "readslow $1 (${2-EOF})" "$BATS_TEST_TMPDIR/read" && return
    cat "$BATS_TEST_TMPDIR/read"
    return 1
}

# shared_only: the log has no lever but fin-rst's own; where abort closes, it says why.
shared_only() {
    local wanted='^[a-z_0-9]+ none '
    case $policy in
    fin-rst) wanted='^[a-z_0-9]+ (none|fin-rst) ' ;;
    abort) wanted='^exit none |^[a-z_0-9]+ none shared$' ;;
    esac
    if logged via action reason | grep -Ev "$wanted"; then return 1; fi
}
