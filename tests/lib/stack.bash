# shellcheck shell=bash disable=SC2034 # for as_expected
# The tests of one stack, whose name is in $STACK.

load ../lib/helper
load ../lib/outcome
load ../lib/peerview
load ../lib/peerview_stacks
load ../lib/peerview_expected
EXPECTED=tests/stacks/stacks.expected

setup_file() {
    roomy_sndbuf
    "prepare_$STACK"
}

teardown_file() {
    end_hosts
}

# cell SITUATION: every policy's row is listed, and auto's is off's.
cell() {
    as_expected "${STACK}_$1"
    auto_is_plain
}
