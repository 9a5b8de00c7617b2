# No code of the library meets its own hooks: it calls libc's next functions, or the kernel.
# The hooks are defined under libc's names, so a plain call of close() in shim/ would end there.
load ../lib/helper
load ../lib/hooked

# of_objects DIR: a line `OBJECT NAME` for each hooked name that an object there refers to without
# defining it. Only alias.o may: a second name of a function goes to the hook of the first.
of_objects() {
    find "$1" -name '*.o' -not -path '*/launcher/*' -exec nm -A --undefined-only {} + | awk '
        NR == FNR { hook[$1] = 1; next }
        { sub(/@.*/, "", $NF); sub(/:$/, "", $1); sub(/.*\//, "", $1) }
        $1 != "alias.o" && $NF in hook { print $1, $NF }' <(hooked) -
}

# of_file LIBRARY: a line `FUNCTION NAME` for each instruction that calls, jumps to or takes the
# address of a hook, but an alias's; and `undefined NAME` for each that a libc would be asked for.
of_file() {
    objdump -d --no-show-raw-insn "$1" | awk '
        FILENAME ~ /hooked/ { hook[$1] = 1; next }
        FILENAME ~ /aliases/ { alias[$1 " " $2] = 1; next }
        /^[0-9a-f]+ <.*>:$/ { function_name = $2; gsub(/[<>:]|@.*/, "", function_name); next }
        match($0, /<[^<>+]+>$/) {
            name = substr($0, RSTART + 1, RLENGTH - 2)
            sub(/@.*/, "", name)
            if (name in hook && !(function_name " " name in alias)) print function_name, name
        }' "$BATS_TEST_TMPDIR/hooked" "$BATS_TEST_TMPDIR/aliases" -
    nm -D --undefined-only "$1" | awk '
        NR == FNR { hook[$1] = 1; next }
        { sub(/@.*/, "", $NF) }
        $NF in hook { print "undefined", $NF }' <(hooked) -
}

prepare() {
    { hooked && older; } >"$BATS_TEST_TMPDIR/hooked"
    aliases >"$BATS_TEST_TMPDIR/aliases"
}

# spoilt FILE: the library with a call of close() and of dup2() at the end of that file of shim/;
# its objects are in $copy/shim.
spoilt() {
    local object objects
    copy=$BATS_TEST_TMPDIR/copy
    mkdir "$copy"
    cp -r "$BUILD/shim" "$copy/shim"
    object=$copy/shim/${1%.c}.o
    { cat "shim/$1" && printf '%s\n' '#include <unistd.h>' \
        '__attribute__((used)) static int spoilt(int fd) { return close(fd) + dup2(fd, 0); }'; } |
        gcc -x c -std=gnu11 -D_GNU_SOURCE -U_FORTIFY_SOURCE -O2 -fPIC -fvisibility=hidden \
            -fno-plt -Ishim -I"$BUILD" -c -o "$object" -
    mapfile -t objects < <(find "$copy/shim" -name '*.o' -not -path '*/launcher/*')
    gcc -shared -Wl,-Bsymbolic-functions -Wl,--version-script="$BUILD/exports.map" \
        -o "$copy/libnotimewait.so" "${objects[@]}" -ldl
}

@test "no object refers to a hooked name" {
    [[ $(hooked | wc -l) -ge 80 && $(find "$BUILD/shim" -name '*.o' | wc -l) -gt 40 ]]
    run of_objects "$BUILD/shim"
    echo "$output"
    [[ $status -eq 0 && -z $output ]]
}

@test "no instruction of the library goes to a hook, but an alias's to its own" {
    # What is looked for is there: the alias's.
    objdump -d "$LIB" | grep -q '<close>$'
    run of_file "$LIB"
    echo "$output"
    [[ $status -eq 0 && -z $output ]]
}

@test "a call of close() in the layer of the kernel is noticed" {
    spoilt kernel/facts.c
    run of_objects "$copy/shim"
    echo "$output"
    [[ $output == *'facts.o close'* && $output == *'facts.o dup2'* ]]
    run of_file "$copy/libnotimewait.so"
    echo "$output"
    [[ $output == *'spoilt close'* && $output == *'spoilt dup2'* ]]
}

@test "a call of close() in the file that defines it is noticed" {
    spoilt hooks/end.c
    run of_file "$copy/libnotimewait.so"
    echo "$output"
    [[ $output == *'spoilt close'* && $output == *'spoilt dup2'* ]]
}
