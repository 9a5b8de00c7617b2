# What a peer on gVisor's netstack sees of our close, in every situation and under every policy: each cell
# is listed in stacks.expected, and `auto` does what `off` does.
load ../lib/helper
load ../lib/outcome
load ../lib/peerview
load ../lib/peerview_stacks
load ../lib/peerview_expected
# shellcheck disable=SC2034 # for as_expected
EXPECTED=tests/stacks/stacks.expected

setup_file() {
    roomy_sndbuf
    prepare_netstack
}

teardown_file() {
    end_hosts
}

@test "behind: queued data, and a close at once" {
    as_expected netstack_queued
    auto_is_plain
}

@test "blocked in read() after its reply" {
    as_expected netstack_reply
    auto_is_plain
}

@test "a slow reader, whose window is full" {
    as_expected netstack_window
    auto_is_plain
}

@test "writes twice after our close" {
    as_expected netstack_late
    auto_is_plain
}

@test "has half-closed, and reads our answer" {
    as_expected netstack_half
    auto_is_plain
}

@test "answers our half-close, and closes" {
    as_expected netstack_half_ours
    auto_is_plain
}
