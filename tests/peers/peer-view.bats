#!/usr/bin/env bats
# What the peer sees of our close, in every situation and under every policy: each cell of the
# table that `make peer-view` prints is one that peer-view.expected lists. A kernel that behaves
# otherwise fails here, and so does a policy.

load ../lib/helper
load ../lib/outcome
load ../lib/peerview
load ../lib/peerview_servers
load ../lib/peerview_expected

setup_file() {
    roomy_sndbuf
}

@test "blocked in read()" {
    as_expected read
}

@test "a slow reader: all is in its kernel" {
    as_expected queued
}

@test "a slow reader: most is unsent at our close" {
    as_expected window
}

@test "blocked in poll(), epoll_wait() and select()" {
    as_expected polling
}

@test "answers our FIN at once" {
    as_expected prompt
}

@test "writes twice, 100 ms after our FIN" {
    as_expected late
}

@test "accepts after our close only" {
    as_expected late_accept
}

@test "asks who we are after our close" {
    as_expected getpeername
}

@test "ends by shutdown() after our close" {
    as_expected shutdown
}

@test "looks for ERR and HUP first" {
    as_expected err_hup
}

@test "has sent what we have not read, and writes on" {
    as_expected unread
}

@test "blocked in write()" {
    as_expected sending
}

@test "has half-closed and still reads" {
    as_expected half
}

@test "has half-closed and still reads our answer" {
    as_expected half_reply
}

@test "has closed" {
    as_expected closed
}

@test "nginx in its lingering close" {
    need nginx curl strace
    as_expected nginx
}

@test "openssl s_server answers our close_notify after our close" {
    need openssl python3 strace
    as_expected tls
}

@test "openssl s_server has exchanged close_notify and half-closed" {
    need openssl python3 strace
    as_expected tls_both
}

@test "every situation is tested, and no other is listed" {
    load ../lib/badnet
    load ../lib/peerview_lost
    local all=("${SITUATIONS[@]}" "${LOST_SITUATIONS[@]}")
    diff <(printf '%s\n' "${all[@]}" | sort) <(sed -n 's/^\[\(.*\)\]$/\1/p' "$EXPECTED" | sort)
    diff <(printf '%s\n' "${all[@]}" | sort) \
        <(sed -n 's/^    as_expected //p' tests/{peers/peer-view,packets/lost-packets}.bats | sort)
}

@test "a cell that is not listed, or not measured, is noticed" {
    EXPECTED=$BATS_TEST_TMPDIR/other
    echo '[closed]' >"$EXPECTED"
    echo 'off abort | - | - | TIME_WAIT | -' >>"$EXPECTED"
    run as_expected closed off abort
    [[ $status -eq 1 && $output == *'abort | - | - | - | -'* ]]
    # shellcheck disable=SC2034 # view's
    VIEW_POLICIES=(off)
    run as_expected closed
    [[ $status -eq 1 && $output == *'< abort'* ]]
}

@test "make peer-view's tables: grouped rows, the file's, and Markdown" {
    # A namespace within this one: its own TIME_WAIT.
    run env -u TEST_NETNS tests/peer-view "$BUILD" closed
    echo "$output"
    [[ $status -eq 0 && $output == *'has closed; we have read its end'* ]]
    [[ $output =~ off\ linger:1.*TIME_WAIT && $(wc -L <<<"$output") -le 120 ]]
    run env -u TEST_NETNS tests/peer-view "$BUILD" --expected closed
    echo "$output"
    [[ $output == *"[closed]"$'\n'"$(sed -n '/^\[closed\]/,/^$/p' "$EXPECTED" | sed '1d;$d')"* ]]
    run env -u TEST_NETNS tests/peer-view "$BUILD" --markdown closed
    echo "$output"
    # shellcheck disable=SC2016 # backquotes of Markdown
    [[ $output == '| the peer | `off`, `linger:1`,'*$'\n''| has closed;'*'TIME_WAIT there'* ]]
    run env -u TEST_NETNS tests/peer-view "$BUILD" no-such
    [[ $status -eq 2 ]]
}
