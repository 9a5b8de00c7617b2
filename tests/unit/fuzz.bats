# The configuration parser under libFuzzer with sanitizers: a short run (the long one: make fuzz).
load ../lib/helper

@test "300,000 environments: no crash, and every refusal is one line that explains itself" {
    need clang
    mkdir "$BATS_TEST_TMPDIR/found"
    make -s "$BUILD/tests/fuzz-config" BUILD="$BUILD" 3>&-
    run "$BUILD/tests/fuzz-config" -seed=1 -runs=300000 -max_len=512 -timeout=20 \
        -artifact_prefix="$BATS_TEST_TMPDIR/" "$BATS_TEST_TMPDIR/found" tests/fuzz/corpus 3>&-
    echo "$output" | tail -n 20
    [[ $status -eq 0 && $output == *'Done 300000 runs'* ]]
    # It got somewhere: it found inputs that take new ways through the parser.
    [[ $(find "$BATS_TEST_TMPDIR/found" -type f | wc -l) -gt 50 ]]
}
