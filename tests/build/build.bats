# The library as it is built: what it exports, what it needs, with which compilers.
load ../lib/helper

# table KIND...: the names of that kind in the table of hooks.
table() {
    sed -nE "s/^($(IFS='|' && echo "$*"))\(([A-Za-z_ ]+ ?\*?, )?([A-Za-z0-9_]+)[,)].*/\3/p" \
        shim/hooks/entry_points.def | sort
}

@test "every call in the life of a TCP fd is in the table" {
    local name missing=()
    for name in bind connect accept accept4 read readv preadv2 recv recvfrom recvmsg recvmmsg \
        __read_chk __recv_chk __recvfrom_chk write writev pwritev2 send sendto sendmsg sendmmsg \
        sendfile sendfile64 splice setsockopt shutdown close fclose freopen dup2 dup3 fcntl \
        fcntl64 close_range closefrom _exit _Exit __close __read __write __send __recv __connect \
        __dup2 __fcntl _IO_fclose freopen64 vfork clone _Fork posix_spawn system popen setns prctl; do
        table HOOK VARIADIC TIME64 TIME64_VARIADIC JUMP ALIAS | grep -qx -- "$name" || missing+=("$name")
    done
    echo "missing: ${missing[*]}"
    [[ ${#missing[@]} -eq 0 ]]
}

@test "a header that changes has all made anew that includes it, however BUILD is spelt" {
    local relative spelling
    relative=$(realpath --relative-to=. "$BUILD")
    for spelling in "$relative" "./$relative" "$(realpath "$BUILD")"; do
        run make -n -o "$relative/flags" -W shim/kernel/lease.h BUILD="$spelling"
        [[ $output == *' shim/kernel/ports.c'* && $output != *' shim/policy/config.c'* ]]
        make -n "$spelling/libnotimewait.so" BUILD="$spelling" >/dev/null
    done
}

@test "all is made anew when the compiler's flags are others, or the Makefile" {
    local tree=$BATS_TEST_TMPDIR/tree object=build/shim/policy/config.o
    local make=(make -s -C "$tree" BUILD=build CFLAGS=-O0 "$object")
    mkdir "$tree"
    cp -a Makefile shim "$tree"
    "${make[@]}" 3>&-
    touch -d '1 minute ago' "$tree/Makefile" "$tree/build/flags" "$tree/$object"
    touch "$tree/made"
    "${make[@]}" 3>&-
    [[ ! $tree/$object -nt $tree/made ]]
    touch -d '30 seconds ago' "$tree/Makefile"
    "${make[@]}" 3>&-
    [[ $tree/$object -nt $tree/made ]]
    touch "$tree/made"
    "${make[@]}" CFLAGS=-O1 3>&-
    [[ $tree/$object -nt $tree/made ]]
}

@test "it needs libc alone, with full RELRO and no executable stack" {
    run readelf -Wdl "$LIB"
    [[ $(grep -c NEEDED <<<"$output") -eq 1 && $output == *'[libc.so.6]'* ]]
    [[ $output == *BIND_NOW* && $output == *GNU_RELRO* ]]
    [[ $output =~ GNU_STACK.*RW' ' && ! $output =~ GNU_STACK.*RWE ]]
    [[ $output != *TEXTREL* && $output == *SONAME*libnotimewait.so* ]]
}

@test "it asks libc for nothing that allocates, prints or locks, outside of start-up" {
    # Each of these is used, and why: dlsym and pthread_atfork at start; the rest in hooks, where
    # signal-safety(7) or its being a bare system call allows it.
    run nm -D --undefined-only "$LIB"
    run ! grep -E ' (malloc|calloc|realloc|free|[a-z]*printf|pthread_mutex_[a-z]+|fopen|getenv|localtime)@' <<<"$output"
}

@test "clang builds the library, too, without a warning, and it works" {
    need clang
    LIB=$BATS_TEST_TMPDIR/clang/libnotimewait.so
    make -s CC=clang BUILD="$BATS_TEST_TMPDIR/clang" "$LIB" 3>&- # lint has clang warn of the launcher
    serve "$PORT" accept readall close
    preload fin-rst act "connect:$PORT" write:100 close
    run finish server
    [[ $output == *'readall 100 EOF'* ]]
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 0 ]]
}

@test "the examples compile by themselves" {
    local file
    for file in examples/*.c; do
        gcc -Wall -Werror -o "$BATS_TEST_TMPDIR/example" "$file"
    done
}

@test "make install puts it below DESTDIR and PREFIX; make uninstall takes it away" {
    local dest=$BATS_TEST_TMPDIR'/the dest'
    make -s install BUILD="$BUILD" DESTDIR="$dest" PREFIX=/opt/x 3>&-
    find "$dest" -type f | sort
    cmp "$dest/opt/x/lib/libnotimewait.so" "$LIB"
    [[ -s $dest/opt/x/share/doc/notimewait/README.md ]]
    make -s uninstall BUILD="$BUILD" DESTDIR="$dest" PREFIX=/opt/x 3>&-
    [[ -z $(find "$dest" -type f) ]]
}
