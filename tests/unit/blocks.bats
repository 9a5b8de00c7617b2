# Which blocks of ports are looked at, and in which order, as one dump tells.
load ../lib/helper

# order BLOCK:ENTRIES[:AGE[:KIND]]...: the blocks in their order.
order() {
    "$BUILD/tests/blocks" "$@" | xargs
}

@test "the block whose youngest entry is oldest comes first" {
    [[ $(order 2050:3:500 2048:2:7000 2051:1:60 2049:4:1000) == '2048 2049 2050 2051' ]]
}

@test "blocks with few entries are left alone where those that are half full have most" {
    [[ $(order 2048:16:500 2049:3:9000 2050:8:700 2051:7:9000) == '2050 2048' ]]
    # and are looked at where they have as many, or more
    [[ $(order 2048:8:500 2049:4:9000 2051:4:800) == '2049 2051 2048' ]]
    [[ $(order 2048:7:500 2049:1:9000) == '2049 2048' ]]
}

@test "few blocks are taken from, again and again: those that have been ready for a second" {
    local all=({2048..2087})
    # ready after 200 ms, and settled a second later: 12, though 40 are there
    [[ $(order 100 "${all[@]/%/:16}" | tr ' ' '\n' | sort -u | wc -l) -eq 12 ]]
    [[ $(order 600 "${all[@]/%/:16}" | tr ' ' '\n' | sort -u | wc -l) -eq 2 ]]
    # where there are less, they are taken before they have settled; not before they are ready
    [[ $(order 100 2048:16 2049:16 2050:16 2051:16 | tr ' ' '\n' | sort | uniq -c | xargs) == \
        '10 2048 10 2049 10 2050 10 2051' ]]
    [[ $(order 10 2048:16 2049:16 | tr ' ' '\n' | grep -c -- -1) -eq 36 ]]
}

@test "entries of another address, interface or range are none" {
    [[ $(order 2048:16:500:a 2049:16:500:i 2046:16 2050:1) == 2050 ]]
    [[ $(order 2048:16:500:a 2049:16:500:i 2046:16) == '' ]]
}

@test "a dump that the kernel refuses is an error, not a dump of nothing" {
    run "$BUILD/tests/refused-dump"
    echo "$output"
    [[ $output == 'refused, 0 sockets, ENOENT' ]]
}
