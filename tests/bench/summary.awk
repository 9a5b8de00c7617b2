# See summary() in common.bash. Owns the order statistics.

# Sorts list[1..n].
function sort(list, n, i, j, x) {
    for (i = 2; i <= n; i++) {
        x = list[i]
        for (j = i - 1; j > 0 && list[j] > x; j--) list[j + 1] = list[j]
        list[j + 1] = x
    }
}

function median(list, n) {
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

# How many at each end are outside the interval that holds the median at 95 % (the sign test);
# with fewer than 6 there is none, and the whole spread is given.
function outside(n, i, p, sum) {
    p = 0.5 ^ n
    for (i = 0; sum + p <= 0.025; i++) {
        sum += p
        p = p * (n - i) / (i + 1)
    }
    return i > 0 ? i - 1 : 0
}

# "median least most" of arm/other, round by round; "-" where there is no other.
function ratio(arm, other, i, n, list) {
    for (i = 1; i <= rounds; i++)
        if ((i, arm) in value && (i, other) in value && value[i, other] > 0)
            list[++n] = value[i, arm] / value[i, other]
    if (n == 0) return "-\t-\t-"
    sort(list, n)
    i = outside(n)
    return sprintf("%.3f\t%.3f\t%.3f", median(list, n), list[1 + i], list[n - i])
}

{
    if (!($2 in seen)) arms[++count] = $2
    seen[$2] = 1
    value[$1, $2] = $3
    if ($1 > rounds) rounds = $1
}

END {
    for (a = 1; a <= count; a++) {
        n = 0
        for (i = 1; i <= rounds; i++)
            if ((i, arms[a]) in value) list[++n] = value[i, arms[a]]
        sort(list, n)
        printf "%s\t%.6g\t%.6g\t%.6g\t%s\t%s\n", arms[a], median(list, n), list[1], list[n],
            ratio(arms[a], base), ratio(arms[a], limit)
    }
}
