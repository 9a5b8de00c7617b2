# What a preloaded library does not reach is refused before it runs, and what needs help to be
# reached gets it: paths, programs, sanitizers.
# shellcheck disable=SC2016 # the loader's own variable
# shellcheck disable=SC2153 # BUILD is the helper's
# shellcheck disable=SC2154 # what run sets
load ../lib/helper
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait

# compiled NAME [FLAG...]: a program that makes a file "started", made by gcc or $CC.
compiled() {
    local program=$BATS_TEST_TMPDIR/$1
    printf '#include <fcntl.h>\nint main(int c, char **v) { return c < 2 || creat(v[1], 0600) < 0; }\n' \
        >"$BATS_TEST_TMPDIR/main.c"
    ${CC-gcc} "${@:2}" -o "$program" "$BATS_TEST_TMPDIR/main.c"
    echo "$program"
}

# refused PROGRAM: by run and ab, in one line, with status 2, and --anyway runs it, if this machine
# does.
refused() {
    local started=$BATS_TEST_TMPDIR/started words runs=0
    "$1" "$started" || runs=$?
    for words in '' --reap ab; do
        rm -f "$started"
        # shellcheck disable=SC2086 # one word or none
        run "$START" $words "$1" "$started"
        echo "$output"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 && ! -e $started && $output == "notimewait: $1: "* ]]
        [[ $runs -eq 0 ]] || continue
        # shellcheck disable=SC2086 # one word or none
        TMPDIR=$BATS_TEST_TMPDIR "$START" $words --anyway "$1" "$started" >/dev/null
        [[ -e $started ]]
    done
}

@test "statically linked: refused; --anyway runs it" {
    refused "$(compiled static -static)"
    [[ $output == *'statically linked'*'--by supervise reaches it'*'link it dynamically'*'(--anyway runs it all the same)' ]]
}

@test "Go: refused, and it says what to do in Go" {
    need objcopy
    echo note >"$BATS_TEST_TMPDIR/note"
    objcopy --add-section .note.go.buildid="$BATS_TEST_TMPDIR/note" "$(compiled static -static)" \
        "$BATS_TEST_TMPDIR/go"
    refused "$BATS_TEST_TMPDIR/go"
    [[ $output == *'a Go program'*'--by supervise'*net.Dialer.Control* ]]
}

@test "another word size, another libc: refused, and it says which library is needed" {
    [[ $(uname -m) == x86_64 ]] || skip 'only a 64-bit PC has 32-bit programs'
    refused "$(compiled bits32 -m32)"
    [[ $output == *'another word size'*'make lib32'* ]]
    need musl-gcc
    refused "$(CC=musl-gcc compiled musl)"
    [[ $output == *'another libc'*'make CC=musl-gcc'* ]]
}

@test "a script whose interpreter is not reached: the interpreter is named" {
    local static
    static=$(compiled static -static)
    printf '#!%s\n' "$static" >"$BATS_TEST_TMPDIR/script"
    chmod +x "$BATS_TEST_TMPDIR/script"
    run "$START" "$BATS_TEST_TMPDIR/script"
    echo "$output"
    [[ $status -eq 2 && $output == "notimewait: $static: statically linked"* ]]
}

@test "a program that gains rights by being run: refused for whom it ignores LD_PRELOAD" {
    local program
    program=$(compiled program)
    chgrp 12345 "$program" || skip 'there is no other group here'
    chmod g+s "$program"
    refused "$program"
    [[ $output == *'setuid or setgid'*'--by supervise from root'*'sudo notimewait'* ]]
    chgrp 0 "$program"
    chmod g+s "$program"
    run "$START" --stats "$BATS_TEST_TMPDIR/stats" "$program" "$BATS_TEST_TMPDIR/started"
    [[ $status -eq 0 && -s $BATS_TEST_TMPDIR/stats ]]
}

@test "what only exec can tell is not refused: a program that may not be read" {
    setpriv --reuid=65534 --clear-groups true || skip 'there is no other user here'
    local public
    public=$(mktemp -d -p /tmp) # where another user can read the library
    chmod 755 "$public"
    cp "$START" "$LIB" "$public"
    cp "$(type -P true)" "$public/unreadable"
    chmod 711 "$public/unreadable"
    run setpriv --reuid=65534 --clear-groups "$public/notimewait" "$public/unreadable"
    rm -r "$public"
    echo "$output"
    [[ $status -eq 0 && -z $output ]]
}

@test "a path that LD_PRELOAD cannot name: run and ab start nothing, check says so" {
    local name dir
    for name in 'a b' 'a:b' 'a$LIB' '${ORIGIN}' $'a\tb'; do
        dir=$BATS_TEST_TMPDIR/$name
        mkdir "$dir"
        cp "$START" "$LIB" "$dir"
        run "$dir/notimewait" touch "$BATS_TEST_TMPDIR/started"
        echo "$output"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 && $output == *'the loader cannot be told of a path with a '* ]]
        [[ $name == *'$'* || $output == *'a blank or a colon' ]]
        run "$dir/notimewait" ab touch "$BATS_TEST_TMPDIR/started"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 && ! -e $BATS_TEST_TMPDIR/started ]]
        run "$dir/notimewait" check true
        echo "$output"
        [[ $status -eq 0 && $output == *'the loader cannot be told of a path with a '* ]]
        [[ $output == *'works by supervision: the library is not found, or its path cannot be preloaded'* ]]
        [[ $output == *'library             not found, or its path cannot be preloaded'* ]]
    done
    # From a working directory of such a name, too.
    cd "$BATS_TEST_TMPDIR/a\$LIB"
    run ./notimewait true
    [[ $status -eq 2 ]]
}

@test "an LD_PRELOAD that names no library, or another machine's: run and ab start nothing" {
    local file other=$BATS_TEST_TMPDIR/libnotimewait.so said
    cp "$LIB" "$other"
    printf '\1' | dd of="$other" bs=1 seek=4 conv=notrunc status=none # ELFCLASS32
    for file in /nowhere/libnotimewait.so "$other"; do
        for command in '' ab; do
            # shellcheck disable=SC2086 # a word or none
            LD_PRELOAD=$file run "$START" $command touch "$BATS_TEST_TMPDIR/started"
            said=$(grep -v '^ERROR: ld.so:' <<<"$output") # of the launcher's own start
            echo "$output"
            [[ $status -eq 2 && $(wc -l <<<"$said") -eq 1 && ! -e $BATS_TEST_TMPDIR/started ]]
            [[ $file == "$other" || $said == 'notimewait: LD_PRELOAD names /nowhere/libnotimewait.so, which cannot be opened (No such file or directory): correct or unset it' ]]
        done
        LD_PRELOAD=$file run "$START" check true
        echo "$output"
        [[ $output != *'works by preload'* ]]
    done
}

# closes_under NAME FLAG...: a client that is built so makes one connection, under run and ab.
closes_under() {
    local program=$BATS_TEST_TMPDIR/$1
    "${@:2}" -g -pthread -o "$program" examples/legacy-client.c
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply
    wait_output server '^ready'
    rm -f "$LOG"
    "$START" --log "$LOG" "$program" --port "$PORT" --reply
    [[ $(wc -l <"$LOG") -eq 1 && $(json via "$LOG") == close ]]
    run --separate-stderr "$START" ab -n 1 -p off --json -- "$program" --port "$PORT" --reply
    echo "$output" "$stderr"
    [[ $(jq -c '[.arms[0]|.exit_statuses[0],.connections.median]' <<<"$output") == '[0,1]' ]]
    run "$START" check "$program"
    echo "$output"
    [[ $status -eq 0 ]]
    kill "$(pid_of server)"
}

@test "built with AddressSanitizer: its runtime is put first, and check says so" {
    closes_under asan gcc -fsanitize=address
    [[ $output == *'sanitizer           libasan.so.'*': notimewait preloads it first'* ]]
    run "$START" "$BATS_TEST_TMPDIR/asan" --version
    LD_PRELOAD=libm.so.6 run "$START" printenv LD_PRELOAD # of another program: nothing
    [[ $output == "libm.so.6:$LIB" ]]
}

@test "built with ThreadSanitizer: its runtime is put first, and check says so" {
    closes_under tsan gcc -fsanitize=thread
    [[ $output == *'sanitizer           libtsan.so.'*': notimewait preloads it first'* ]]
}

@test "AddressSanitizer that is linked statically, and clang's shared one" {
    need clang
    closes_under static-asan gcc -fsanitize=address -static-libasan
    [[ $output != *'sanitizer '* ]]
    new_port
    closes_under shared-asan clang -fsanitize=address -shared-libsan \
        "-Wl,-rpath,$(dirname "$(clang -print-file-name=libclang_rt.asan-x86_64.so)")"
    [[ $output == *'sanitizer           libclang_rt.asan'*': notimewait preloads it first'* ]]
}
