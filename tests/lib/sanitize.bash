# shellcheck shell=bash
# For the tests that run the library under sanitizers and valgrind; loaded after helper. Owns how
# both are built and run, and which of their reports count.

load ../lib/builds

REPORTS=$BATS_TEST_TMPDIR/reports # a directory of files
PLAIN_BUILD=$BUILD                # the library as it is, with the others below it

# ThreadSanitizer cannot live with every address layout.
no_aslr=(setarch -R)
"${no_aslr[@]}" true 2>/dev/null || no_aslr=()

TSAN='exitcode=0 die_after_fork=0 atexit_sleep_ms=0'

# A test may be a whole file of tests, under a sanitizer: see passes().
export BATS_TEST_TIMEOUT=$((BATS_TEST_TIMEOUT > 1200 ? BATS_TEST_TIMEOUT : 1200))

# What stands before each program: nothing, or valgrind (use_valgrind).
watch=()

# For all tests of a file: export SANITIZER=thread, address or undefined.
setup() {
    new_port
    [[ -z ${SANITIZER-} ]] || use_build "$SANITIZER"
}

# --- building ---

# build_with thread|address|undefined [TARGET...]: builds the library and the programs with it, or
# only the targets.
build_with() {
    local flags=$1 BUILD=$PLAIN_BUILD
    [[ $1 != address ]] || flags=address,undefined
    CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=$flags" build_in "$@"
}

# use_build NAME: from now on the library and the programs are those.
use_build() {
    BUILD=$PLAIN_BUILD/$1
    LIB=$BUILD/libnotimewait.so
    ACT=$BUILD/tests/act
}

# build_for_stress NAME...: builds what the short tests need.
build_for_stress() {
    local name
    for name; do
        build_with "$name" ./libnotimewait.so ./tests/{act,stress,race}
    done
}

use_valgrind() {
    need valgrind
    watch=(valgrind -q --log-file="$REPORTS/valgrind.%p" --fair-sched=try)
}

# --- running ---

# watched [VAR=VALUE...] CMD...: runs CMD; what it and its children report goes to $REPORTS, and
# what they return is their own. The library stands before the sanitizer's runtime, which does
# not mind; it allocates nothing that could leak.
watched() {
    mkdir -p "$REPORTS"
    TSAN_OPTIONS="$TSAN suppressions=$PWD/tests/sanitize/thread.supp" \
        ASAN_OPTIONS='detect_leaks=0 verify_asan_link_order=0' \
        UBSAN_OPTIONS='print_stacktrace=1' \
        "${no_aslr[@]}" timeout 600 env "$@" 2>>"$REPORTS/stderr" 3>&-
}

# preloaded POLICY CMD...: the same under the library.
preloaded() {
    watched NOTIMEWAIT_LOG="$LOG" NOTIMEWAIT_STATS="$LOG.stats" NOTIMEWAIT_POLICY="$1" \
        LD_PRELOAD="$LIB" "${watch[@]}" "${@:2}"
}

# findings: the reports, if one counts. What ThreadSanitizer calls a race on a file descriptor is
# the program's own: one thread uses an fd and another closes it, or it saw no close
# (close_range). AddressSanitizer remarks that it does not know the stack of a child of clone().
findings() {
    find "$REPORTS" -type f -exec cat {} + | awk '
        { text = text $0 "\n" }
        /WARNING: ThreadSanitizer: / { count++ }
        /Location is file descriptor/ { count-- }
        /WARNING: ASan is ignoring requested __asan_handle_no_return/ { count-- }
        /ERROR: |FATAL: |CHECK failed|runtime error: |^==[0-9]+== *[A-Z]/ { count++ }
        END { if (count != 0) printf "%s", text }'
}

# nothing_found: or what was.
nothing_found() {
    [[ -z $(findings) ]] || { findings | head -n 100 && return 1; }
}

# --- what is run ---

# tells FLAG STATEMENTS: a program that does so would be noticed.
tells() {
    printf '%s\n' '#include <pthread.h>' '#include <stdlib.h>' 'static volatile int n;' \
        'static void *add(void *p) { n++; return p; }' \
        "int main(void) { pthread_t t; pthread_create(&t, NULL, add, NULL); $2" \
        'pthread_join(t, NULL); return 0; }' |
        gcc -x c - -o "$BATS_TEST_TMPDIR/bad" -pthread -g "$1"
    watched "${watch[@]}" "$BATS_TEST_TMPDIR/bad" || true
    [[ -n $(findings) ]]
    rm -r "$REPORTS"
}

# survives 'PROGRAM MODE' MS POLICY...: stress or race (tests/tools) goes well, and nothing is
# found.
survives() {
    local policy program=$1 ms=$2
    shift 2
    for policy; do
        echo "$program, $policy:"
        # shellcheck disable=SC2086 # two words
        preloaded "$policy" "$BUILD/tests/"$program "$ms" || { cat "$REPORTS/stderr" && return 1; }
        rm -f "$LOG" "$LOG.stats"
        nothing_found
    done
}

# The ways to end a connection that there are hooks for, all in one process: afterwards its fds are
# closed, and register a is empty. The children that end by themselves have a connection of their
# own.
all_ends() {
    local end child="fork connect:$PORT write:100"
    for end in close 'open:/dev/null@y dup2:a@y close close@y' \
        'open:/dev/null@y dup3:a@y close close@y' 'fdopen fprintf:500 fclose' \
        'fdopen freopen:/dev/null fclose' close_range:fd:fd closefrom:fd 'connect-unspec close' \
        'linger:1:1 linger2:5 close' 'dup:b close@b close' 'fork close end wait close' \
        'fork:_Fork exit end wait close' 'vfork-close close' \
        'system:true spawn:true wait close' 'thread close end join fd:-1' \
        'socketpair:q@p sendfd:p recvfd:q@r close close@r close@p close@q' \
        "close $child _exit end wait" "close $child quick_exit end wait"; do
        echo "connect:$PORT write:100 readn:2000 $end"
    done
    echo "connect:$PORT shutdown:wr readall close connect:$PORT wait-unread:2000 close"
    echo "connect:$PORT write:100 exit"
}

# every_use: the calls that there are hooks for, on one connection.
every_use() {
    local verb
    echo "connect:$PORT"
    for verb in write writev pwritev2 send sendto sendmsg sendmmsg sendfile sendfile64 splice \
        dprintf; do
        echo "$verb:100"
    done
    for verb in recv-peek recvmsg-peek read readv preadv2 recv recvfrom recvmsg recvmmsg \
        read_chk recv_chk recvfrom_chk splice-in; do
        echo "wait-unread:100 $verb:100"
    done
    echo 'readn:900 close'
}

# all_calls POLICY...: a client makes each call, and ends connections in each way: one process per
# policy, because a watched one takes long to start.
all_calls() {
    local steps connections policy out=$BATS_TEST_TMPDIR/out
    for policy; do
        echo "$policy:"
        new_port
        mapfile -t steps < <({ every_use && all_ends; } | tr ' ' '\n')
        connections=$(printf '%s\n' "${steps[@]}" | grep -c '^connect:')
        serve "$PORT" time-limit:200 "loop:$connections" accept writen:2000 readall close end
        preloaded "$policy" "$ACT" time-limit:200 "${steps[@]}" >"$out" ||
            { cat "$REPORTS/stderr" "$out" && return 1; }
        nothing_found
        every_call_was_made
        rm -f "$LOG" "$LOG.stats"
    done
}

# every_call_was_made: by act's output and the library's log, after all_calls.
every_call_was_made() {
    grep -x 'splice-in 100' "$out"
    finish server 30000
    [[ $(json via "$LOG" | sort -u | tr '\n' ' ') == \
        'close close_range disconnect dup2 exit fclose ' ]]
}

# passes NAME: the bats file of this name with this build, and nothing is found. Its programs have
# stderr for other purposes.
# shellcheck disable=SC2154 # run sets status and output
passes() {
    mkdir -p "$REPORTS"
    local to="log_path=$REPORTS/report"
    TSAN_OPTIONS="$to $TSAN" \
        ASAN_OPTIONS="$to detect_leaks=0 verify_asan_link_order=0" \
        UBSAN_OPTIONS="$to print_stacktrace=1" JOBS=1 BATS_TEST_TIMEOUT=500 FILE_TIME_LIMIT=1100 \
        run "${no_aslr[@]}" tests/run "$BUILD" tests/*/"$1".bats 3>&-
    echo "$output"
    [[ $status -eq 0 ]]
    nothing_found
}
