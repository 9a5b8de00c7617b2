# What the documents say is what the code says, and their commands work.
# shellcheck disable=SC2016 # backquotes of Markdown
load ../lib/helper

# defined KIND: the second field of each KIND(...) in the table of policies, actions, reasons.
defined() {
    sed -nE "s/^$1\([A-Z0-9_]+, \"([^\"]*)\".*/\1/p" shim/policy/policy.def
}

@test "every reason and its meaning is in libnotimewait(7), and no other" {
    run diff <(sed -nE 's/^REASON\([A-Z_]+, "(.*)", "(.*)"\)$/\1 | \2/p' shim/policy/policy.def) <(
        sed -n '/^.Ss Reasons/,/^.El/p' shim/man/libnotimewait.7 | awk '
            /^\.It Cm/ { name = $3; next }
            name { sub(/\.$/, ""); print name " | " tolower(substr($0, 1, 1)) substr($0, 2); name = "" }' |
            sed 's/| fIN/| FIN/'
    )
    echo "$output"
    [[ $status -eq 0 && $(defined REASON | wc -l) -gt 15 ]]
}

@test "every policy is in the README's table, with its argument, in order" {
    run diff <(sed -n '/^| policy /,/^$/p' README.md | sed -nE 's/^\| `([^`]*)` .*/\1/p') <(
        sed -nE 's/^POLICY\([A-Z_]+, "([^"]*)", "([^"]*)", [0-9]+, [0-9]+, ([A-Z0-9]+),.*/\1 \2 \3/p' \
            shim/policy/policy.def | awk '{ print NF == 2 ? $1 : $3 == "NEEDED" ? $1 ":" $2 : $1 "[:" $2 "]" }'
    )
    echo "$output"
    [[ $status -eq 0 ]]
}

@test "every variable that the parser knows is named, and no other is" {
    run diff <(grep -o 'NOTIMEWAIT_[A-Z]*' shim/policy/config.c | grep -v '_$' | sort -u) \
        <(grep -o 'NOTIMEWAIT_[A-Z]*' README.md | sort -u)
    echo "$output"
    [[ $status -eq 0 ]]
}

@test "the example record has the fields of a real one" {
    serve "$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG preload auto act "connect:$PORT" write:1 close
    local example
    example=$(sed -n '/^ *{"ts"/,/}$/p' README.md | tr -d '\n' | sed 's/^ *//; s/, */,/g')
    [[ $(jq -c keys_unsorted <<<"$example") == "$(jq -c keys_unsorted "$LOG")" ]]
}

@test "the quick start works: connections, a record for each, TIME_WAIT as without the library" {
    sed -n '/^    make all examples/,/^    kill/p' README.md | sed 's/^    //' >"$BATS_TEST_TMPDIR/first"
    [[ $(wc -l <"$BATS_TEST_TMPDIR/first") -eq 6 ]]
    sed -i 's/ &.*$/ >\/dev\/null 2>\&1 3>\&- \&\nuntil ss -Htln "sport = 7000" | grep -q .; do sleep 0.05; done/' \
        "$BATS_TEST_TMPDIR/first"
    run env -u BUILD bash -m "$BATS_TEST_TMPDIR/first" 3>&-
    echo "$output"
    [[ $output == *'connections=3 failed=0 errors=0'* ]]
    settle 7000
    [[ $(grep -c '"reason":"plain"' <<<"$output") -eq 3 && $(time_wait_client 7000) -eq 3 ]]
}

@test "the tables of what peers see are those that the tests demand" {
    run diff <(tests/update-results --print && tests/update-results --print ../README.md) \
        <(cat tests/RESULTS.md README.md)
    echo "$output"
    [[ $status -eq 0 ]]
}
