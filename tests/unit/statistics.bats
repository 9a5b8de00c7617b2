# The statistics of report and ab: how often they are wrong where there is no difference, however
# often one looks, and how often they find one. STATISTICS=1000 for the figures in README.
load ../lib/helper

EXPERIMENTS=${STATISTICS-200}

# verdicts KIND EFFECT [EXPERIMENTS]: how many in a thousand have a verdict.
verdicts() {
    local n=${3-$EXPERIMENTS} line
    line=$("$BUILD/tests/statistics" "$1" "$n" 1 "$2")
    echo "$1, effect $2: $line" >&3
    echo $((${line%% *} * 1000 / n))
}

@test "A/A: at most 5 % of experiments have a verdict at any of their looks" {
    # With 200 experiments, five of a hundred are 10; three standard deviations more are 19.
    local kind most=$((EXPERIMENTS < 1000 ? 95 : 50))
    for kind in shares quantiles slots bursts; do
        [[ $(verdicts "$kind" 0) -le $most ]]
    done
    [[ $(verdicts ab 0 1000) -le 50 ]]
}

@test "power: an effect of given size is found" {
    [[ $(verdicts shares 0.05 100) -ge 900 ]]   # 5 % of connects fail, or 10 %; 10,000 of them
    [[ $(verdicts quantiles 0.2 50) -ge 900 ]]  # 20 % longer; 6,000 connections
    [[ $(verdicts slots 0.3 100) -ge 900 ]]     # 30 % more fail; 60 blocks
    [[ $(verdicts bursts 0.3 100) -ge 900 ]]
    [[ $(verdicts ab 8 1000) -ge 900 ]]
}

@test "the rank test's p and interval are those of the books" {
    statistics() { "$BUILD/tests/statistics" "$@"; }
    # All of one series below the other: 2 of the 252 (20, 70) choices; no interval with three.
    [[ $(statistics ranks 1 2 3 4 5 / 6 7 8 9 10) == '0.007937 5 2 8' ]]
    [[ $(statistics ranks 1 2 3 / 4 5 6) == '0.100000 3 -inf inf' ]]
    [[ $(statistics ranks 1 2 3 4 / 5 6 7 8) == '0.028571 4 1 7' ]]
    # R's wilcox.test(), of its manual's example: p is 0.1272 to one side
    [[ $(statistics ranks 0.80 0.83 1.89 1.04 1.45 1.38 1.91 1.64 0.73 1.46 / 1.15 0.88 0.90 0.74 1.21) == \
        '0.254412 -0.305 -0.76 0.15' ]]
    # all equal
    [[ $(statistics ranks 5 5 5 5 / 5 5 5 5) == '1.000000 0 0 0' ]]
    # beyond what is exact: as the normal distribution has it
    [[ $(statistics ranks $(seq 1 30) / $(seq 31 60)) == '0.000000 30 '* ]]
}

@test "an interval for shares: where nothing failed, and the same by both ways of asking" {
    local first=(0 0 3 50) second=(0 40 30 51) i low high differ
    for i in 0 1 2 3; do
        read -r low high differ < <("$BUILD/tests/statistics" share "${first[i]}" 200 "${second[i]}" 200)
        echo "$low $high $differ"
        awk "BEGIN { exit !($low < $high && $low >= -1 && $high <= 1 && ($low > 0 || $high < 0) == $differ) }"
    done
}
