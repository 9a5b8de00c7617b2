# What the documents say is what the code says, their commands work, and their links lead somewhere.
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
    sed -i 's/ &.*$/ >\/dev\/null 2>\&1 3>\&- \&\nsleep 0.5/' "$BATS_TEST_TMPDIR/first"
    run env -u BUILD bash -m "$BATS_TEST_TMPDIR/first" 3>&-
    echo "$output"
    [[ $output == *'connections=3 failed=0 errors=0'* ]]
    [[ $(grep -c '"reason":"plain"' <<<"$output") -eq 3 && $(time_wait_client 7000) -eq 3 ]]
}

# documents: the Markdown files.
documents() {
    git ls-files '*.md'
}

# anchors FILE: of its headings, as GitHub makes them.
anchors() {
    sed -nE '/^```/,/^```/d; s/^#+ //p' "$1" | tr '[:upper:]' '[:lower:]' |
        sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}

# leads_somewhere FILE LINK: a relative link, perhaps with an anchor.
leads_somewhere() {
    local target=${2%%#*} to
    to=$(dirname "$1")/$target
    [[ -n $target ]] || to=$1
    [[ -e $to ]] || return
    [[ $2 != *#* ]] || anchors "$to" | grep -qxF -- "${2#*#}"
}

@test "every link of the documents leads to a file, and its anchor to a heading" {
    local file link count=0 bad=0
    while IFS= read -r file; do
        while IFS= read -r link; do
            count=$((count + 1))
            leads_somewhere "$file" "$link" || { echo "$file: $link" && bad=1; }
        done < <(grep -oE '\]\([^)]+\)' "$file" | sed 's/^](//; s/)$//' | grep -v '^https\?:')
    done < <(documents)
    [[ $bad -eq 0 && $count -gt 30 ]]
}

@test "every path that the documents name is there" {
    local file path bad=0
    while IFS= read -r file; do
        while IFS= read -r path; do
            [[ -e $path || -e $(dirname "$file")/$path ]] || { echo "$file: $path" && bad=1; }
        done < <(grep -oE '(^|[ `(])(\.\./)?(tests|examples|shim)/[A-Za-z0-9_./-]+' "$file" |
            sed -E 's/^[ `(]//; s/[.,]$//' | sort -u)
    done < <(documents)
    [[ $bad -eq 0 ]]
}

@test "README is short: 200 lines, 100 columns, 60 in a cell of a table" {
    run awk -F ' *[|] *' '
        length > 100 { print FNR ": " length " columns" }
        /^\|/ { for (i = 2; i < NF; i++) if (length($i) > 60) print FNR ": a cell of " length($i) }
        END { if (FNR > 200) print FNR " lines" }' README.md
    echo "$output"
    [[ -z $output ]]
}

@test "the tables of what peers see are those that the tests demand" {
    run diff <(tests/update-results --print && tests/update-results --print ../README.md) \
        <(cat tests/RESULTS.md README.md)
    echo "$output"
    [[ $status -eq 0 ]]
}
