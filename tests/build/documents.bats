# The documents, as they lie in the sources and as `make install` lays them: every link and path
# leads somewhere, no line and no cell is too wide.
# shellcheck disable=SC2016 # backquotes of Markdown
load ../lib/helper

# documents: the Markdown files below the current directory, but for what was built.
documents() {
    find . -name '*.md' ! -path './build/*' | sort
}

# installed: installs, and goes to the tree of documents.
installed() {
    local dest=$BATS_TEST_TMPDIR/dest
    make -s install BUILD="$BUILD" DESTDIR="$dest" PREFIX=/usr 3>&-
    cd "$dest/usr/share/doc/notimewait" || return
}

# anchors FILE: of its headings, as GitHub makes them.
anchors() {
    sed -nE '/^```/,/^```/d; s/^#+ //p' "$1" | tr '[:upper:]' '[:lower:]' |
        sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}

# leads_somewhere FILE LINK: a relative link, perhaps with an anchor.
leads_somewhere() {
    local target=${2%%#*} to=${1%/*}/${2%%#*}
    [[ -n $target ]] || to=$1
    [[ -e $to ]] || return
    [[ $2 != *#* ]] || anchors "$to" | grep -qxF -- "${2#*#}"
}

# links FILE: where its links lead, pictures included, also where the text of one has two lines.
links() {
    grep -oE '\]\([^)]+\)' "$1" | sed 's/^](//; s/)$//' | grep -Ev '^(https?|mailto):' || true
}

# all_lead_somewhere: each link of each document; at least 30.
all_lead_somewhere() {
    local file link count=0 bad=0
    while IFS= read -r file; do
        while IFS= read -r link; do
            count=$((count + 1))
            leads_somewhere "$file" "$link" || { echo "$file: $link" && bad=1; }
        done < <(links "$file")
    done < <(documents)
    [[ $bad -eq 0 && $count -gt 30 ]]
}

# paths FOLDER: the paths below a folder (a regex) that the documents name: FILE PATH.
paths() {
    local file
    while IFS= read -r file; do
        grep -oE "(^|[ \`(])(\.\./)*($1)/[A-Za-z0-9_./-]+" "$file" |
            sed -E "s/^[ \`(]//; s/[.,]$//; s#^#$file #"
    done < <(documents)
}

# all_are_there FOLDER: each of these, seen from the top or from the document.
all_are_there() {
    local file path count=0 bad=0
    while read -r file path; do
        count=$((count + 1))
        [[ -e $path || -e ${file%/*}/$path ]] || { echo "$file: $path" && bad=1; }
    done < <(paths "$1")
    [[ $bad -eq 0 && $count -gt 3 ]]
}

@test "every link leads to a file, and its anchor to a heading" {
    all_lead_somewhere
}

@test "every path that the documents name is there" {
    all_are_there 'tests|examples|shim'
}

@test "installed, every link leads somewhere, and every path of the examples" {
    installed
    all_lead_somewhere
    # What the documents name of tests/ and shim/ is in the sources: README says so.
    all_are_there 'examples'
}

@test "README is short: 200 lines; no document has more than 100 columns, or 60 in a cell" {
    local files
    mapfile -t files < <(documents | grep -vx ./tests/RESULTS.md) # its matrices are generated
    run awk -F ' *[|] *' '
        /^<!-- tests\/update-results/ { made = 1 }
        /^<!-- end/ { made = 0 }
        length > 100 && !made { print FILENAME ":" FNR ": " length " columns" }
        /^\|/ && !made { for (i = 2; i < NF; i++) if (length($i) > 60)
                    print FILENAME ":" FNR ": a cell of " length($i) }
        FILENAME == "./README.md" && FNR == 201 { print "README.md: more than 200 lines" }' "${files[@]}"
    echo "$output"
    [[ -z $output ]]
}
