# shellcheck shell=bash
# What a kernel does otherwise; loaded after helper. Owns the format of tests/kernels/kernels.expected:
#
#   KERNEL... | TEST | REASON
#
# where KERNEL is a name, or <NAME for all that are older, and TEST the beginning of a test's name up
# to its colon: there it must not hold.

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

# holds CMD...: it succeeds, or fails where the table says so of the test. Status 3: it may not ask.
holds() {
    local status=0
    "$@" || status=$?
    [[ $status -ne 3 ]] || skip 'this user may not ask the kernel'
    if differs "${BATS_TEST_DESCRIPTION%%:*}"; then
        echo "$KERNEL is listed in tests/kernels/kernels.expected: this must fail"
        [[ $status -ne 0 ]]
    else
        [[ $status -eq 0 ]]
    fi
}

# fact NUMBER: in a network namespace of its own, where no other fact has left a port in use.
fact() {
    # shellcheck disable=SC2016 # for the inner shell
    holds unshare -n sh -c 'ip link set lo up; echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse
        exec "$0" "$1"' "$BUILD/tests/facts" "$1"
}
