# The benchmark, the endurance run and the figures: a moment of each, to prove that every part
# works. What they measure in earnest is in tests/bench/README.md.
load ../lib/helper

# Its own directory of results; what was built is the same.
setup_file() {
    mkdir "$BATS_FILE_TMPDIR/build"
    # shellcheck disable=SC2153
    ln -s "$BUILD"/{libnotimewait.so,notimewait,examples,tests} "$BATS_FILE_TMPDIR/build/"
    build=$BATS_FILE_TMPDIR/build
    export build
}

bench() {
    BENCH=quick tests/bench/bench "$build" "$@" 3>&-
}

# row NAME NUMBER...: whether the output has this line.
row() {
    local IFS=' '
    echo "wanted: $*"
    tr -s ' ' <<<"$output" | grep -qx "$*"
}

@test "throughput: every policy, the source's own ways, an empty preload; the verdict" {
    run bench throughput
    echo "$output"
    [[ $status -eq 0 ]]
    local arm
    for arm in 'plain client' 'TCP_LINGER2 in its source' 'SO_LINGER {1,0} in its source' auto \
        fin-rst last-read drain drain-eof:1 abort delay:1 linger:1 off 'an empty preload'; do
        grep -F "$arm  " <<<"$output" | grep -Eq ' [1-9][0-9]+ +[0-9]+-[0-9]+ +[0-9.]+ \('
    done
    [[ $output == *'auto, connections per second: '*' % of the limit (95 %: '* ]]
    [[ $(grep -vc '^#' "$build/bench/throughput.tsv") -ge $((13 + 3)) ]]
}

@test "threads, supervision, and many open connections" {
    local call
    run bench threads supervision open
    echo "$output"
    [[ $status -eq 0 ]]
    grep -Eq '^64 threads, auto +[1-9]' <<<"$output"
    for call in getppid sendto connect; do
        grep -Eq "^$call\(\), auto, supervised +[0-9]+\.[0-9]+ " <<<"$output"
    done
    grep -Eq '^auto +[0-9]+\.[0-9]+ +[0-9]+\.[0-9]+$' <<<"$output"
}

@test "a static Go client, by its source and supervised, or that there is none" {
    local arm
    CLIENT_GO=$BATS_TEST_TMPDIR/client run bench static
    echo "$output"
    [[ $status -eq 0 && $output == *'left out: static (apt-get'* ]]
    go version >/dev/null 2>&1 || return 0
    CGO_ENABLED=0 go build -o "$BATS_TEST_TMPDIR/client" tests/bench/client.go
    CLIENT_GO=$BATS_TEST_TMPDIR/client run bench static
    echo "$output"
    [[ $status -eq 0 ]]
    for arm in 'plain client' 'TCP_LINGER2 in its source' 'auto, supervised' 'fin-rst, supervised'; do
        grep -Eq "^$arm +[1-9][0-9]+ " <<<"$output"
    done
}

@test "more open connections than one process may hold" {
    ulimit -n 300
    run bench open
    echo "$output"
    [[ $status -eq 0 ]]
    grep -Eq '^auto +[0-9]+\.[0-9]+ +[0-9]+\.[0-9]+$' <<<"$output"
}

@test "alternatives: who runs out of 1,000 ports, and whose server sees errors" {
    run bench alternatives
    echo "$output"
    [[ $status -eq 0 ]]
    row plain 1000 1 0 1000 '[0-9]*'
    # A port is taken again after a second: a machine that makes less than 1,000 a second has enough,
    # or runs out of them later.
    row plain, tcp_tw_reuse=1 '1[0-4][0-9][0-9]' 1 0 1000 '[0-9]*' ||
        row plain, tcp_tw_reuse=1 1500 0 0 '[0-9]*' '[0-9]*'
    row plain, tcp_tw_reuse=1, 500 a second 1500 0 0 '[0-9]*' '[0-9]*'
    row SO_REUSEADDR preloaded 1000 1 0 1000 '[0-9]*'
    row abort 1500 0 1500 0 '[0-9]*'
    row fin-rst 1500 0 0 0 '[0-9]*'
    row auto 1500 0 0 '[0-9]*' '[0-9]*'
}

@test "figures of a port range that fills up" {
    share_cpu # an RST would take an entry away, and give a port back
    [[ ! -e $build/bench/history.tsv ]]
    run tests/bench/plot "$build" "$BATS_TEST_TMPDIR/figures"
    echo "$output"
    [[ $status -eq 1 && $output == *"run 'make bench"* ]]
    run bench filling history
    echo "$output"
    [[ $status -eq 0 ]]
    grep -Eq '^off: made 200, failed [1-9][0-9]*, TIME_WAIT 200 at most$' <<<"$output"
    grep -Eq '^auto: made [1-9][0-9]*, failed 0, TIME_WAIT (1[0-9]{2}|200) at most$' <<<"$output"
    grep -Eq '^fin-rst: made [1-9][0-9]*, failed 0, TIME_WAIT 0 at most$' <<<"$output"
    run tests/bench/plot "$build" "$BATS_TEST_TMPDIR/figures"
    echo "$output"
    [[ $status -eq 0 && ${#lines[@]} -eq 1 ]]
    local svg
    for svg in time-wait connect-latency; do
        python3 -c 'import sys, xml.etree.ElementTree as t; t.parse(sys.argv[1])' \
            "$BATS_TEST_TMPDIR/figures/$svg.svg"
        grep -q auto "$BATS_TEST_TMPDIR/figures/$svg.svg"
    done
}

@test "soak: thousands through 1,000 ports, and it notices what it must" {
    run tests/bench/soak "$build" 5000 3>&-
    echo "$output"
    [[ $status -eq 0 && $output == *'connections=5000 failed=0 errors=0 '* ]]
    [[ $output =~ most_time_wait=[1-9][0-9]{0,2}0? ]]
    # Without the library.
    ln -sfn "$BUILD/tests/bench/none.so" "$build/libnotimewait.so"
    run tests/bench/soak "$build" 5000 3>&-
    ln -sfn "$LIB" "$build/libnotimewait.so"
    echo "$output"
    [[ $status -eq 1 && $output == *'connections=1000 failed=1'* ]]
    [[ $output == *'soak: not all connections succeeded'* || $output == *'soak: TIME_WAIT'* ]]
}

@test "medians, ratios by rounds, and the interval that holds them" {
    # Of 9, the second least and the second most hold the median at 96 %.
    run awk -F '\t' -v base=a -v limit=b -f tests/bench/summary.awk <(
        for i in {1..9}; do printf '%s\ta\t%s\n%s\tb\t%s\n' "$i" "$((100 * i))" "$i" "$((i * i))"; done
    )
    echo "$output"
    [[ ${lines[0]} == $'a\t500\t100\t900\t1.000\t1.000\t1.000\t20.000\t12.500\t50.000' ]]
    [[ ${lines[1]} == $'b\t25\t1\t81\t0.050\t0.020\t0.080\t1.000\t1.000\t1.000' ]]
}

@test "bad usage is refused" {
    run tests/bench/bench "$build" nonsense
    [[ $status -eq 2 && $output == Usage* ]]
    run tests/bench/soak "$build" many
    [[ $status -eq 2 && $output == Usage* ]]
    run "$BUILD/tests/bench/client" --rate none
    [[ $status -eq 2 && ${#lines[@]} -eq 1 ]]
}
