# The library built otherwise: for programs linked with musl, with link-time optimization as some
# distributions have it, or for 32-bit programs.
# shellcheck disable=SC2016 # the loader expands LIB in the path
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
load ../lib/builds

# works_in BUILD_DIR: a client built there, preloaded from there, leaves no TIME_WAIT under fin-rst.
works_in() {
    local dir=$1
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply --report
    wait_output server '^ready'
    run env LD_PRELOAD="$dir/libnotimewait.so" NOTIMEWAIT_POLICY=fin-rst NOTIMEWAIT_LOG="$LOG" \
        "$dir/examples/legacy-client" --port "$PORT" --reply --connections 50
    echo "$output"
    [[ $status -eq 0 && $output == *'connections=50 failed=0 errors=0'* ]]
    [[ $(jq -r '.action + " " + .last_op' "$LOG" | sort | uniq -c) =~ ^' '+50' fin-rst read'$ ]]
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 0 ]]
    kill "$(pid_of server)"
    run finish server
    [[ $output == *'eof=50 resets=0'* ]]
}

@test "musl: the library builds with musl-gcc, and works in a client linked with musl" {
    need musl-gcc
    local dir
    build_in musl CC=musl-gcc all ./examples/legacy-client
    run readelf -d "$dir/libnotimewait.so"
    [[ $output == *'NEEDED'*'[libc.so]'* && $output != *libc.so.6* ]]
    works_in "$dir"
}

# Until 1.2.3 musl had each as a macro: there no build shows what is missing.
@test "musl: of the names with 64 that later ones have not, only those are used that we define" {
    need musl-gcc
    local headers
    headers=$(echo '#include <fcntl.h>' | musl-gcc -M -E - | grep -o '/[^ ]*/features.h')
    find "${headers%/*}" -name '*.h' -exec awk '$1 == "#define" && $2 ~ /64/ {
        plain = $2; sub(/64/, "", plain); if (plain == $3) print $2 }' {} + >"$BATS_TEST_TMPDIR/names"
    grep -qx rlimit64 "$BATS_TEST_TMPDIR/names"
    sed -nE 's/^#(define|undef) +([a-z0-9_]+64[a-z_]*).*/\2/p' shim/kernel/{large,libc}.h \
        >"$BATS_TEST_TMPDIR/ours"
    # Of each file the words without the comments.
    perl -0777 -ne 's{/\*.*?\*/}{}gs; print "$ARGV $1\n" while /\b(\w*64\w*)/g' \
        shim/*.c shim/*/*.[ch] shim/launcher/*/*.[ch] |
        awk 'FILENAME == ARGV[1] { names[$1]; next }
            FILENAME == ARGV[2] { ours[$1]; next }
            $2 in names { used++ }
            $2 in names && !($2 in ours) { print; bad = 1 }
            END { exit bad || used < 5 }' "$BATS_TEST_TMPDIR"/{names,ours} -
}

@test "link-time optimization: the library builds, and works" {
    local dir
    CFLAGS='-O1 -flto=auto' build_in lto ./libnotimewait.so
    ln -sfn "$BUILD/examples" "$dir/examples"
    works_in "$dir"
}

# loader_lib LOADER: what this loader puts in place of $LIB.
loader_lib() {
    "$1" --list-diagnostics | sed -n 's/^dl_dst_lib="\(.*\)"$/\1/p'
}

@test "32 bits: make lib32, and a 32-bit client" {
    build32 ./examples/legacy-client
    run readelf -h "$dir/libnotimewait.so" "$dir/examples/legacy-client"
    [[ $(grep -c 'Class: *ELF32' <<<"$output") -eq 2 ]]
    runs32 "$dir/examples/legacy-client" --help
    works_in "$dir"
}

# With musl, and on some 32-bit machines with glibc, libc's struct timespec is not what they take.
@test "calls by number that take a time are given a struct raw_time" {
    local files
    mapfile -t files < <(grep -rlE 'SYS_(ppoll|pselect6|futex|nanosleep|rt_sigtimedwait)\>' shim)
    printf '%s\n' "${files[@]}"
    [[ ${#files[@]} -ge 3 ]]
    run ! grep -nE 'struct timespec [a-z_]+( =|;|\[)' "${files[@]}"
}

@test "32 bits with a time_t of 64: it builds, and waits without being busy" {
    need strace
    local dir
    build_in time64 CC="gcc -m32 $TIME64" ./libnotimewait.so ./tests/act
    # musl has no SYS_clock_gettime there.
    printf '%s\n' '#include <sys/syscall.h>' '#undef SYS_clock_gettime' >"$BATS_TEST_TMPDIR/musl.h"
    # shellcheck disable=SC2086 # words
    gcc -m32 $TIME64 -Wall -Werror -fsyntax-only -Ishim -include "$BATS_TEST_TMPDIR/musl.h" shim/kernel/clock.c
    # What preadv2() takes, and pwritev2(), sendfile(), does not change its size by that.
    # shellcheck disable=SC2086 # words
    printf '%s\n' '#include "kernel/large.h"' '_Static_assert(sizeof(plain_off_t) == 4, "");' |
        gcc -m32 $TIME64 -fsyntax-only -Ishim -x c -
    run ! grep -nw off_t shim/hooks/*.c shim/hooks/entry_points.def
    runs32 "$dir/tests/act" say:x
    serve "$PORT" accept "wait-file:$BATS_TEST_TMPDIR/over:20000" close
    NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_POLICY=drain-eof:300 strace -f -E LD_PRELOAD="$dir/libnotimewait.so" \
        -e trace=ppoll,ppoll_time64,close -o "$BATS_TEST_TMPDIR/calls" \
        "$dir/tests/act" "connect:$PORT" write:1 close
    touch "$BATS_TEST_TMPDIR/over"
    jq -c '{reason, close_us}' "$LOG"
    grep -c ppoll "$BATS_TEST_TMPDIR/calls"
    [[ $(json reason "$LOG") == drain-timeout && $(jq '.close_us >= 300000' "$LOG") == true ]]
    [[ $(grep -c ppoll "$BATS_TEST_TMPDIR/calls") -le 300 ]] # a millisecond or more each
}

@test "32 bits: the launcher opens files of any size" {
    build_in lib32 CC='gcc -m32' ./notimewait
    run grep -E ' (fopen|open|openat|stat|fstat|lstat|lseek|pread)@' <(nm -D --undefined-only "$dir/notimewait")
    echo "$output"
    [[ -z $output ]]
    nm -D --undefined-only "$dir/notimewait" | grep -q ' fopen64@'
}

@test "one LD_PRELOAD with the loader's LIB in it serves 64-bit and 32-bit programs" {
    build32 ./examples/legacy-client
    runs32 "$dir/examples/legacy-client" --help
    local prefix=$BATS_TEST_TMPDIR/usr build lib
    # As examples/PROGRAMS.md says.
    make -s install BUILD="$BUILD" PREFIX="$prefix" \
        LIBDIR="$prefix/$(loader_lib /lib64/ld-linux-x86-64.so.2)" 3>&-
    CFLAGS=-O1 make -s install-lib BUILD="$dir" CC='gcc -m32' \
        LIBDIR="$prefix/$(loader_lib /lib/ld-linux.so.2)" 3>&-
    find "$prefix" -name '*.so'
    lib=$prefix/'$LIB'/libnotimewait.so
    for build in "$BUILD" "$dir"; do
        new_port
        rm -f "$LOG"
        serve "$PORT" accept readall close
        run env LD_PRELOAD="$lib" NOTIMEWAIT_POLICY=fin-rst NOTIMEWAIT_LOG="$LOG" \
            "$build/examples/legacy-client" --port "$PORT" --connections 1
        echo "$build: $output"
        [[ $status -eq 0 && $output != *'cannot be preloaded'* && $(json action "$LOG") == fin-rst ]]
        finish server
    done
}
