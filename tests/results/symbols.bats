# The library offers the names, versions and behaviours that the libc underneath has, no others.
load ../lib/helper
load ../lib/hooked
load ../lib/builds

# symbols FILE: a line `NAME VERSION ADDRESS` for each hooked name that it exports, with `@` or
# `@@` before the version; `-` where it has none.
symbols() {
    nm -D --defined-only "$1" | awk '
        NR == FNR { hook[$1] = 1; next }
        $2 != "A" {
            name = version = $3
            sub(/@.*/, "", name)
            sub(/^[^@]*/, "", version)
            if (name in hook) print name, version == "" ? "-" : version, $1
        }' <(hooked) - | sort -u
}

# changed FILE: a line `NAME @OLDER @@NEWEST` for each hooked name whose versions in that libc are
# different functions. (Not of dlopen@GLIBC_2.0, which only programs of 1998 ask for, and which
# adds RTLD_LAZY where flags say nothing.)
changed() {
    symbols "$1" | awk '
        { versions[$1] = versions[$1] " " $2 }
        !(($1, $3) in seen) { seen[$1, $3]; functions[$1]++ }
        END { for (name in functions) if (functions[name] > 1) print name versions[name] }' |
        awk '{ if ($2 ~ /^@@/) { t = $2; $2 = $3; $3 = t } print }' |
        grep -v '^dlopen ' | sort
}

# as_libc LIBRARY LIBC
as_libc() {
    run diff <(symbols "$1" | awk '{ print $1 }' | sort -u) \
        <(symbols "$2" | awk '{ print $1 }' | sort -u)
    echo "names that only the library (<) or only libc (>) has:" "${lines[@]}"
    [[ $status -eq 0 && $(symbols "$1" | wc -l) -ge 50 ]]
    run diff <(changed "$1") <(changed "$2")
    echo "names in two versions, of the library (<) and of libc (>):" "${lines[@]}"
    [[ $status -eq 0 ]]
    # The others have no version: they serve whatever version is asked for.
    run grep -vwF -f <(changed "$2" | awk '{ print $1 }') <(symbols "$1")
    run ! grep -qv ' - ' <<<"$output"
    run diff <(nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u) \
        <(symbols "$1" | awk '{ print $1 }' | sort -u)
    echo "exported without being hooked:" "${lines[@]}"
    [[ $status -eq 0 ]]
    # The newest version of an alias is that of the name.
    run awk 'NR == FNR { if ($2 != "@" && $2 !~ /^@[^@]/) at[$1] = $3; next }
        $1 in at && $2 in at && at[$1] != at[$2]' <(symbols "$2") <(aliases)
    echo "aliases that are other functions:" "${lines[@]}"
    [[ -z $output && $(aliases | wc -l) -ge 10 ]]
}

# libc LIBRARY: the libc that it is linked with.
libc() {
    local path
    path=$(ldd "$1" | awk '$1 == "libc.so.6" { print $3 }')
    [[ -n $path ]] || skip 'the library is not built for glibc'
    echo "$path"
}

# same_as_without LIBRARY PROGRAM: the calls of older versions do the same without it and with it.
# Under a 32-bit library the loader of a 64-bit shell complains; besides that nobody writes to stderr.
same_as_without() {
    local script=$BATS_TEST_TMPDIR/script
    echo 'echo a script of the shell' >"$script"
    chmod +x "$script"
    "$2" "$script" >"$BATS_TEST_TMPDIR/without"
    cat "$BATS_TEST_TMPDIR/without"
    [[ $(grep -c 'a script of the shell' "$BATS_TEST_TMPDIR/without") -ge 2 ]]
    LD_PRELOAD=$1 "$2" "$script" >"$BATS_TEST_TMPDIR/with" 2>"$BATS_TEST_TMPDIR/errors"
    diff "$BATS_TEST_TMPDIR/without" "$BATS_TEST_TMPDIR/with"
    run grep -v "^ERROR: ld.so: object '$1' .* (wrong ELF class: ELFCLASS32): ignored.$" \
        "$BATS_TEST_TMPDIR/errors"
    echo "$output"
    [[ -z $output ]]
}

@test "names and versions are those of libc" {
    as_libc "$LIB" "$(libc "$LIB")"
}

@test "a program that asks for an older version gets it" {
    libc "$LIB"
    [[ $(uname -m) == x86_64 ]] || skip 'glibc for this machine has one version of each'
    same_as_without "$LIB" "$BUILD/tests/versions"
}

@test "32 bits: names and versions are those of the 32-bit libc" {
    build32
    as_libc "$dir/libnotimewait.so" \
        "$(ldconfig -p | awk '$1 == "libc.so.6" && $2 == "(libc6)" { print $NF }')"
}

@test "32 bits: a program that asks for an older version gets it" {
    build32 ./tests/versions
    runs32 "$dir/tests/versions" /dev/null
    same_as_without "$dir/libnotimewait.so" "$dir/tests/versions"
}

@test "what a program asks of a hooked name, in whatever version, leads to the library" {
    libc "$LIB"
    local asked
    asked=$(nm -D --undefined-only "$ACT" | awk '{ sub(/@.*/, "", $2); print $2 }' | grep -xF -f <(hooked))
    LD_DEBUG=bindings LD_BIND_NOW=1 LD_PRELOAD=$LIB run "$ACT" say:x
    run diff <(sort -u <<<"$asked") <(sed -nE \
        "s|.*binding file $ACT .* to $LIB .*: normal symbol .([A-Za-z0-9_]+)' \[GLIBC.*|\1|p" <<<"$output" | sort -u)
    echo "$output"
    [[ $status -eq 0 && $(wc -w <<<"$asked") -gt 20 ]]
}

@test "musl: what libc does not have is not there, for a weak reference and by name" {
    need musl-gcc
    local dir
    build_in musl CC=musl-gcc ./libnotimewait.so ./tests/weak
    "$dir/tests/weak" >"$BATS_TEST_TMPDIR/without"
    cat "$BATS_TEST_TMPDIR/without"
    grep -q 'closefrom: not there' "$BATS_TEST_TMPDIR/without"
    LD_PRELOAD=$dir/libnotimewait.so run "$dir/tests/weak"
    diff "$BATS_TEST_TMPDIR/without" <(echo "$output")
    LD_PRELOAD=$LIB run "$BUILD/tests/weak"
    diff <("$BUILD/tests/weak") <(echo "$output")
}

@test "a library that was built for a newer libc says so in one line" {
    libc "$LIB"
    local dir=$BATS_TEST_TMPDIR/newer
    mkdir "$dir"
    cp -a "$BUILD"/{shim,flags,libc-names.h,exports.map} "$dir" # only what is changed is built again
    # This libc has no such name; the one that it was built for has.
    sed -i 's/LIBC_HAS___sendmsg64 0/LIBC_HAS___sendmsg64 1/' "$dir/libc-names.h"
    sed -i 's/__sendmsg64; //' "$dir/exports.map"
    grep -q 'LIBC_HAS___sendmsg64 1' "$dir/libc-names.h" || skip 'this libc has it'
    make -s BUILD="$dir" "$dir/libnotimewait.so" 3>&-
    LD_PRELOAD=$dir/libnotimewait.so run "$ACT" say:x
    echo "$output"
    [[ $status -eq 0 && ${#lines[@]} -eq 2 && ${lines[1]} == 'say x' ]]
    [[ ${lines[0]} == 'libnotimewait: it was built for a newer libc, and offers the program __sendmsg64(), which this libc does not have; build it on this system' ]]
}
