# shellcheck shell=bash
# What a kernel does otherwise; loaded after helper. Owns the format of kernels.expected:
#
#   KERNEL... | TEST | REASON
#
# where KERNEL is a name, or <NAME for all that are older, and TEST the beginning of a test's name up
# to its colon: there it must not hold. An error's name in parentheses, as (EPERM), is the one seen.

KERNEL=${KERNEL:-$(uname -r | cut -d . -f 1,2)}

# For awk: whether a kernel is in a list of the file's.
# shellcheck disable=SC2016 # awk's
KERNEL_WORDS='
    function names_it(kernel, list, some, count, is, than, i) {
        count = split(list, some, " ")
        split(kernel, is, ".")
        for (i = 1; i <= count; i++) {
            if (some[i] == kernel) return 1
            if (!sub(/^</, "", some[i])) continue
            split(some[i], than, ".")
            if (is[1] + 0 < than[1] + 0 || is[1] == than[1] && is[2] + 0 < than[2] + 0) return 1
        }
        return 0
    }'

# differs TEST: whether this kernel is listed for it.
differs() {
    awk -F ' [|] ' -v kernel="$KERNEL" -v test="$1" "$KERNEL_WORDS"'
        !/^#/ && $2 == test && names_it(kernel, $1) { found = 1 }
        END { exit !found }' tests/kernels/kernels.expected
}

# error_of TEST: the error that this kernel is listed with for it; empty: none is named.
error_of() {
    awk -F ' [|] ' -v kernel="$KERNEL" -v test="$1" "$KERNEL_WORDS"'
        !/^#/ && $2 == test && names_it(kernel, $1) && match($3, /[(]E[A-Z0-9]+[)]/) {
            print substr($3, RSTART + 1, RLENGTH - 2)
        }' tests/kernels/kernels.expected
}

# holds CMD...: it succeeds, or fails where the table says so of the test: by a status of its own,
# not a signal's or a time limit's, and with that error. Status 3: it may not ask. Sets said: what
# it printed.
holds() {
    local status=0 test=${BATS_TEST_DESCRIPTION%%:*}
    "$@" >"$BATS_TEST_TMPDIR/said" 2>&1 || status=$?
    said=$(<"$BATS_TEST_TMPDIR/said")
    echo "$said"
    [[ $status -ne 3 ]] || skip 'this user may not ask the kernel'
    if differs "$test"; then
        echo "$KERNEL is listed in tests/kernels/kernels.expected: this must fail"
        [[ $status -ne 0 && $status -lt 124 && $said == *"$(error_of "$test")"* ]]
    else
        [[ $status -eq 0 ]]
    fi
}

# fact NUMBER: in a network namespace of its own, where no other fact has left a port in use, after
# what $before does there. One that does not hold fails by an assertion.
fact() {
    # shellcheck disable=SC2016 # for the inner shell
    holds unshare -n sh -c 'ip link set lo up; echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse
        eval "$2"
        exec "$0" "$1"' "$BUILD/tests/facts" "$1" "${before-}"
    ! differs "fact $1" || [[ $'\n'$said == *$'\nno: line '* ]]
}
