#!/usr/bin/env bats
# The library and its tests' programs under ThreadSanitizer.

load ../lib/helper
load ../lib/sanitize

export SANITIZER=thread

setup_file() {
    build_with thread tests
}

POLICIES=(auto fin-rst last-read drain:50 abort 'off|linger:1')

@test "a race would be noticed" {
    tells -fsanitize=thread 'n++;'
}

@test "threads open, use and close connections and files at once" {
    survives 'stress threads' 600 "${POLICIES[@]}" drain-eof:5 delay:1 off
}

@test "a program of many threads forks" {
    survives 'stress fork' 600 "${POLICIES[@]}"
}

@test "signal handlers at any point" {
    survives 'stress signals' 600 "${POLICIES[@]}"
}

@test "a thread reads an fd while another closes it" {
    survives 'stress race' 600 "${POLICIES[@]}"
}

@test "threads are cancelled while they are blocked in a hooked call" {
    survives 'stress cancel' 600 "${POLICIES[@]}"
}

@test "threads that do anything to each other's fds" {
    survives 'race numbers' 800 "${POLICIES[@]}"
}

@test "a process ends while its threads are at work" {
    survives 'race exit' 800 "${POLICIES[@]}"
}

@test "every call and every end" {
    all_calls auto fin-rst drain:50
}

@test "the tests of ways to close" {
    passes close-ways
}

@test "the tests of the log" {
    passes log
}
