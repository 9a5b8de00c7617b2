#!/usr/bin/env bats
# A short run of the library under sanitizers and valgrind (the long one: make check-sanitize).

load helper
load sanitize

@test "ThreadSanitizer" {
    for_stress thread
    tells -fsanitize=thread 'n++;'
    # (Not where the program's own threads race for an fd: that is reported without the library.)
    for mode in threads fork cancel; do
        survives "stress $mode" 300 auto abort
    done
}

@test "AddressSanitizer and UndefinedBehaviorSanitizer" {
    for_stress address
    tells -fsanitize=address 'volatile char *p = malloc(5); n = 5; p[n] = 1;'
    tells -fsanitize=undefined 'n = 0x7fffffff; n = n + 1;'
    for mode in threads fork race; do
        survives "stress $mode" 200 auto
    done
    survives 'race numbers' 400 auto
    all_calls auto drain:50
}

@test "valgrind" {
    use_valgrind
    tells -O0 'volatile char *p = malloc(5); n = 5; p[n] = 1;'
    survives 'stress threads' 500 auto
    all_calls auto
}
