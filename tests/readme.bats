# What the README says is what the code says.
# shellcheck disable=SC2016 # backquotes of Markdown
load helper

# defined KIND: the second field of each KIND(...) in the table of policies, actions, reasons.
defined() {
    sed -nE "s/^$1\([A-Z0-9_]+, \"([^\"]*)\".*/\1/p" shim/policy/policy.def
}

@test "every reason and its meaning is in the README's table, and no other" {
    run diff <(sed -nE 's/^REASON\([A-Z_]+, "(.*)", "(.*)"\)$/| `\1` | \2 |/p' shim/policy/policy.def) \
        <(sed -n '/^| reason /,/^$/p' README.md | sed '1,2d;$d')
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

@test "every variable that the parser knows is explained, and no other is named" {
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

@test "the first command works: connections, a record for each, no TIME_WAIT" {
    sed -n '/^    make all examples/,/^    kill/p' README.md | sed 's/^    //' >"$BATS_TEST_TMPDIR/first"
    [[ $(wc -l <"$BATS_TEST_TMPDIR/first") -eq 6 ]]
    sed -i 's/ &$/ >\/dev\/null 2>\&1 3>\&- \&\nsleep 0.5/' "$BATS_TEST_TMPDIR/first"
    run env -u BUILD bash -m "$BATS_TEST_TMPDIR/first" 3>&-
    echo "$output"
    [[ $output == *'connections=3 failed=0 errors=0'* ]]
    [[ $(grep -c '"action":"fin-rst"' <<<"$output") -eq 3 && $output != *':7000 '*$'\n'*TIME-WAIT* ]]
    [[ $(time_wait_client 7000) -eq 0 ]]
}
