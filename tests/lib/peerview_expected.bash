# shellcheck shell=bash
# What peer-view.expected says, and whether it is so; for the bats files that measure the peer's
# view. Owns that file's format.

EXPECTED=tests/peers/peer-view.expected

# accepted SITUATION: the rows that are listed for it, one per policy. A policy may have several.
accepted() {
    awk -v heading="[$1]" '
        /^\[/ { on = $0 == heading; next }
        on && /\|/ {
            row = $0
            sub(/^[^|]*/, "", row)
            for (i = 1; $i != "|"; i++) print $i, row
        }' "$EXPECTED"
}

# listed SITUATION [POLICY...]: the policies that are named, or else those of its rows.
listed() {
    local policies=("${@:2}")
    [[ $# -gt 1 ]] || mapfile -t policies < <(accepted "$1" | cut -d ' ' -f 1)
    printf '%s\n' "${policies[@]}"
}

# as_expected SITUATION [POLICY...]: measures it, and sets ROWS; every row is listed, and every
# listed policy measured. VIEW: the policies, where none is named.
as_expected() {
    local unexpected policies
    # shellcheck disable=SC2086 # words
    [[ $# -gt 1 || -z ${VIEW-} ]] || set -- "$1" $VIEW
    ROWS=$(view "$@") || { echo "$ROWS" && return 1; }
    unexpected=$(grep -vxFf <(accepted "$1") <<<"$ROWS") || true
    policies=$(diff <(listed "$@" | sort -u) <(cut -d ' ' -f 1 <<<"$ROWS" | sort -u)) || true
    [[ -z $unexpected && -z $policies ]] && return
    printf '%s\n' "[$1], not in $EXPECTED:" "${unexpected:-none}" \
        'policies that are listed (<) or measured (>) only:' "${policies:-none}"
    return 1
}

# auto_is_plain: of ROWS, that of auto is that of off.
auto_is_plain() {
    diff <(sed -n 's/^off //p' <<<"$ROWS") <(sed -n 's/^auto //p' <<<"$ROWS")
}
