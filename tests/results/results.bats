#!/usr/bin/env bats
# No intercepted call changes what it returns: `results` makes every one of them, on every kind
# of fd and with every error that can be provoked, and prints the same lines with the library as
# without it.
#
# The exceptions are getsockopt(SO_REUSEADDR) on a client's connection, which shows 1 (lines that
# begin with `reused`), and getsockopt(TCP_LINGER2) on one that fin-rst armed, which shows -1
# (`armed`, and with NOTIMEWAIT_LINGER=override `overridden`, too).

load ../lib/helper
load ../lib/builds

RESULTS=$BUILD/tests/results
PLAIN=$BATS_FILE_TMPDIR/plain.out

setup_file() {
    export PATH=/usr/bin:/bin # what posix_spawnp() finds wrong with a search depends on it
    "$BUILD/tests/results" </dev/null 3>&- >"$BATS_FILE_TMPDIR/plain.out" 2>&1
    nm -D --defined-only "$(ldd "$BUILD/tests/results" | awk '/libc.so/ { print $3 }')" |
        sed -nE 's/.* ([^ @]+)@.*/\1/p' >"$BATS_FILE_TMPDIR/libc"
}

# results_under POLICY [VARIABLE=VALUE...]: prints them. (reap says that its reaper is not there; the
# loader, that it does not preload the 32-bit library into a 64-bit shell.)
results_under() {
    env LD_PRELOAD="$LIB" NOTIMEWAIT_POLICY="$1" "${@:2}" "$RESULTS" \
        2> >(grep -vE "'reap' needs notimewait --reap|^ERROR: ld.so: .*ELFCLASS32" >&2)
}

# same_results NAME [EXCEPTION]: what was started as NAME ends well and printed the same lines,
# but for those that begin with EXCEPTION.
same_results() {
    local pattern="^(${2-none}) " status=0
    finish "$1" 200000 >"$BATS_TEST_TMPDIR/seen" || status=$?
    if ! diff <(grep -Ev "$pattern" "$PLAIN") <(grep -Ev "$pattern" "$BATS_TEST_TMPDIR/seen") \
        >"$BATS_TEST_TMPDIR/diff"; then
        echo "$1: other results than without the library (status $status):"
        head -n 20 "$BATS_TEST_TMPDIR/diff"
        return 1
    fi
    [ "$status" -eq 0 ]
}

# value_of KIND NAME: the excepted lines' values, each once.
value_of() {
    sed -n "s/^$1 .*value=//p" "$BATS_TEST_TMPDIR/$2.out" | sort -u
}

# compare POLICY [EXCEPTION [EXCEPTION [VARIABLE=VALUE...]]]: as it is by default, and with all
# that makes it do more; the exceptions of each.
compare() {
    rm -f "$LOG"
    start default results_under "$1" "${@:4}"
    start more results_under "$1" NOTIMEWAIT_LOG="$LOG" NOTIMEWAIT_LINGER=override "${@:4}"
    same_results default "${2-none}"
    same_results more "${3-none}"
    [ "$(wc -l <"$LOG")" -gt 2000 ]
}

# in_libc NAME: this libc has the function, and a program can call it by that name.
in_libc() {
    [ "$1" != _IO_proc_open ] && grep -qx -- "$1" "$BATS_FILE_TMPDIR/libc"
}

@test "without the library, they are the same from run to run" {
    start again "$RESULTS"
    same_results again none
    [ "$(wc -l <"$PLAIN")" -gt 9000 ]
}

@test "every hooked function is called, for success and for an error" {
    hooks=$(sed -nE 's/^(HOOK|VARIADIC|TIME64|TIME64_VARIADIC|ALIAS)\([^,]*, *([A-Za-z0-9_]+),.*/\2/p
                     s/^JUMP\(([A-Za-z0-9_]+)\)/\1/p' shim/hooks/entry_points.def)
    [ "$(wc -w <<<"$hooks")" -eq "$(grep -Ec '^(HOOK|VARIADIC|TIME64|TIME64_VARIADIC|ALIAS|JUMP)\([a-z_A-Z]' \
        shim/hooks/entry_points.def)" ]
    for hook in $hooks; do
        in_libc "$hook" || continue # __sendmsg64 and the like: of 32-bit programs
        echo "$hook:"
        grep -Eq "^$hook .*: [0-9]" "$PLAIN"
        case $hook in
        closefrom | _exit | _Exit | vfork | __vfork | _Fork | daemon) ;; # these do not fail
        system) ;; # its child does
        wordexp) grep -Eq "^$hook .*: 2$" "$PLAIN" ;;
        posix_spawn | posix_spawnp | pidfd_spawn | pidfd_spawnp) grep -Eq "^$hook .*: 2 " "$PLAIN" ;;
        *) grep -Eq "^$hook .*: -1 E" "$PLAIN" ;;
        esac
    done
}

@test "off changes no result" {
    compare off
}

@test "auto changes no result but SO_REUSEADDR of clients, and without recycling none" {
    compare auto reused reused
    [ "$(value_of reused default)" = 1 ]
    compare 'auto' none none NOTIMEWAIT_RECYCLE=off
}

@test "fin-rst changes no result but TCP_LINGER2 where it is armed" {
    compare fin-rst 'reused|armed' 'reused|armed|overridden'
    [ "$(value_of armed default)" = -1 ]
    [ "$(value_of armed more)" = -1 ]
    [ "$(value_of overridden more)" = -1 ]
}

@test "reap changes no result" {
    compare reap reused reused
}

@test "last-read changes no result" {
    compare last-read reused reused
}

@test "drain changes no result" {
    compare drain:5 reused reused
}

@test "drain-eof changes no result" {
    compare drain-eof:5 reused reused
}

@test "abort changes no result" {
    compare abort reused reused
}

@test "delay changes no result" {
    compare delay:2 reused reused
}

@test "linger changes no result" {
    compare linger:1 reused reused
}

@test "32 bits, with a time_t of 32 and of 64 bits: auto and fin-rst change no other result" {
    local bits dir programs
    for bits in 32 64; do
        programs32 $bits results
        LIB=$dir/libnotimewait.so RESULTS=$programs/results PLAIN=$BATS_TEST_TMPDIR/plain.$bits
        "$RESULTS" </dev/null 3>&- >"$PLAIN" 2>&1
        [[ $(wc -l <"$PLAIN") -gt 9000 ]]
        compare auto reused reused
        compare fin-rst 'reused|armed' 'reused|armed|overridden'
    done
    run grep -cE ' U __(((recv|send)m?msg|[gs]etsockopt)64|(fcntl|prctl)_time64)@' <(nm -D "$RESULTS")
    [[ $output -eq 8 ]] # it does call them
}
