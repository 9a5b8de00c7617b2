# NOTIMEWAIT_SPLIT=slot: the arm of a moment, a function of clock, seed and weights alone.
load ../lib/helper

slots() {
    "$BUILD/tests/slots" "$@"
}

@test "each arm gets its share of every block, in an order that differs" {
    [[ $(slots 'off|auto' 0 - 0 0) == 'block 2' && $(slots 'off@90|auto@10' 0 - 0 0) == 'block 10' ]]
    # 1,000 blocks of two: one of each, and either first in about half (five standard deviations).
    run awk 'NR > 1 { n = NR - 2; if (n % 2 == 1 && $1 == last) exit bad = 1; if (n % 2 == 0) first += $1; last = $1 }
        END { print bad + 0, (first > 421 && first < 579) }' <(slots 'off|auto' 7 - 0 2000)
    [[ $output == '0 1' ]]
    # 200 blocks of ten: nine and one, and its place is each in about a tenth.
    run awk 'NR > 1 { n = NR - 2; sum += $1; if ($1) place[n % 10]++
            if (n % 10 == 9) { if (sum != 1) bad = 1; sum = 0 } }
        END { for (i = 0; i < 10; i++) if (place[i] < 4 || place[i] > 42) bad = 1; print bad + 0 }' \
        <(slots 'off@90|auto@10' 7 - 0 2000)
    [[ $output == 0 ]]
    # three arms: all orders occur
    [[ $(slots 'off|auto|fin-rst' 3 - 0 300 | tail -n +2 | paste -sd '   \n' | sort -u | wc -l) -gt 5 ]]
}

@test "weights that need long blocks are drawn slot by slot, and arms are met" {
    run awk 'NR == 1 { print } NR > 1 { sum += $1 } END { print (sum > 421 && sum < 579) }' \
        <(slots 'off@500001|auto@500000' 1 - 0 1000)
    [[ $output == $'block 1\n1' ]]
}

@test "the seed decides, and nothing else: the same anywhere in the ring of time" {
    [[ $(slots 'off|auto' 1 - 0 64) == "$(slots 'off|auto' 1 - 0 64)" ]]
    [[ $(slots 'off|auto' 1 - 0 64) != "$(slots 'off|auto' 2 - 0 64)" ]]
    [[ $(slots 'off|auto' 1 - 100 50 | tail -n 1) == "$(slots 'off|auto' 1 - 149 1 | tail -n 1)" ]]
    [[ $(slots 'off@2|auto@2' 1 - 0 64) == "$(slots 'off|auto' 1 - 0 64)" ]]
}

@test "a slot begins at a multiple of its length, with a wash-out of 60 s, or its half" {
    [[ $(slots --at 300 1763800000 1763799900 1763799959 1763799960 1763800199) == \
        $'5879333 1763799900 0\n5879333 1763799900 1\n5879333 1763799900 1\n5879333 1763799900 0\n5879333 1763799900 0' ]]
    [[ $(slots --at 10 100 104 105 109 110 | xargs) == '10 100 1 10 100 1 10 100 0 10 100 0 11 110 1' ]]
}
