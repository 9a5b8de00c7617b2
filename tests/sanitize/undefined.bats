#!/usr/bin/env bats
# The library under UndefinedBehaviorSanitizer alone, where AddressSanitizer sees an error that
# is the program's purpose (bad pointers), or none (cancellation).

load ../lib/helper
load ../lib/sanitize

export SANITIZER=undefined

setup_file() {
    build_with undefined tests
}

@test "an overflow would be noticed" {
    tells -fsanitize=undefined 'n = 0x7fffffff; n = n + 1;'
}

@test "threads are cancelled while they are blocked in a hooked call" {
    survives 'stress cancel' 600 'auto|fin-rst' last-read abort
}

@test "the tests of results: every call with every error" {
    passes results
}
