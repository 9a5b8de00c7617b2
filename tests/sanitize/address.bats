#!/usr/bin/env bats
# The library and its tests' programs under AddressSanitizer and UndefinedBehaviorSanitizer.

load ../lib/helper
load ../lib/sanitize

export SANITIZER=address

setup_file() {
    build_with address tests
}

@test "an overrun and an overflow would be noticed" {
    tells -fsanitize=address 'volatile char *p = malloc(5); n = 5; p[n] = 1;'
    tells -fsanitize=undefined 'n = 0x7fffffff; n = n + 1;'
}

# Not cancellation: its unwinding leaves the sanitizer's marks on the stack.
@test "threads, forks, signal handlers, races" {
    for mode in threads fork signals race; do
        survives "stress $mode" 600 'auto|fin-rst' last-read abort
    done
}

@test "threads that do anything, and a process that ends while they are at work" {
    survives 'race numbers' 800 'auto|fin-rst' drain:50 abort
    survives 'race exit' 800 'auto|fin-rst' last-read
}

@test "every call and every end" {
    all_calls auto fin-rst last-read drain:50 abort off
}
