#!/usr/bin/env bats
# A short run of the library under sanitizers and valgrind (the long one: make check-sanitize).

load ../lib/helper
load ../lib/sanitize

# Here, where the compilers' time is not a test's.
setup_file() {
    build_for_stress thread address
}

@test "ThreadSanitizer" {
    use_build thread
    tells -fsanitize=thread 'n++;'
    for mode in 'stress threads' 'stress fork' 'stress cancel' 'race numbers'; do
        survives "$mode" 300 'auto|fin-rst'
    done
}

@test "AddressSanitizer and UndefinedBehaviorSanitizer" {
    use_build address
    tells -fsanitize=address 'volatile char *p = malloc(5); n = 5; p[n] = 1;'
    tells -fsanitize=undefined 'n = 0x7fffffff; n = n + 1;'
    for mode in 'stress threads' 'stress fork' 'stress race' 'race numbers'; do
        survives "$mode" 200 'auto|fin-rst'
    done
    all_calls auto fin-rst drain:50
}

@test "valgrind" {
    use_valgrind
    tells -O0 'volatile char *p = malloc(5); n = 5; p[n] = 1;'
    survives 'stress threads' 300 'auto|fin-rst'
    all_calls auto fin-rst
}
