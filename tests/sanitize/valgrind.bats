#!/usr/bin/env bats
# The library, as it is built, under valgrind's memcheck.

load ../lib/helper
load ../lib/sanitize

use_valgrind

@test "an overrun and an uninitialised decision would be noticed" {
    tells -O0 'volatile char *p = malloc(5); n = 5; p[n] = 1;'
    tells -O0 'volatile int *p = malloc(sizeof(int)); if (*p) exit(1);'
}

@test "every call and every end" {
    all_calls auto last-read abort fin-rst drain:50
}

# Not signal handlers: it may deliver a timer's signal long after the timer was stopped.
@test "threads, forks, races, cancellation" {
    for mode in threads fork race cancel; do
        survives "stress $mode" 1000 'auto|fin-rst' 'abort|fin-rst'
    done
}

@test "threads that do anything, and a process that ends while they are at work" {
    survives 'race numbers' 1000 'auto|linger:1' abort
    survives 'race exit' 1000 'auto|abort'
}
