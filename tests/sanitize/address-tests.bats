#!/usr/bin/env bats
# The project's tests, with the library and all programs under AddressSanitizer and
# UndefinedBehaviorSanitizer.

load ../lib/helper
load ../lib/sanitize

export SANITIZER=address

setup_file() {
    build_with address tests
}

@test "the tests of ways to close" {
    passes close-ways
}

@test "the tests of ownership" {
    passes ownership
    passes children
    passes passed-fds
}

@test "the tests of reaping" {
    passes reap
}

@test "the tests of lingers" {
    passes linger
}

@test "the tests of the log" {
    passes log
}

@test "the tests of a process's end" {
    passes process-ends
}

@test "the tests of start-up" {
    passes start-up
    passes beside
}
