# The pure decision and the configuration parser, without a socket.
load ../lib/helper

@test "every policy x state x last operation x facts decides as the design's table says" {
    run "$BUILD/tests/decision"
    echo "$output"
    [[ $status -eq 0 && $output =~ ^[1-9][0-9]{4,}' combinations, 0 failures'$ ]]
}

@test "the decision and the parser make no system call and have no state" {
    # Nothing but string functions of libc, and no writable data.
    local object
    for object in shim/policy/*.c; do
        object=$(basename "$object" .c)
        [[ $object != settings ]] || continue # the configuration of a process
        run nm -u "$BUILD/shim/policy/$object.o"
        echo "$output"
        [[ $status -eq 0 ]]
        run ! grep -Eqv ' (mem|str)[a-z]+$| (address|config|number|policies|policy|rules|split|text)_[a-z_]+$| not_accepted$| (inet_pton|fnmatch)$| [a-z]+_(names|kinds)$|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|^$' <<<"$output"
        run ! grep -Eq ' [bBdC] ' <<<"$(nm "$BUILD/shim/policy/$object.o" | grep -Ev '(variables|selectors|names)$')"
    done
}
