#!/usr/bin/env bats
# The surroundings that a program starts in: debuggers, inetd, daemons, few and many fds, a strange
# environment. It works as without the library.
# shellcheck disable=SC2016 # sh's own variables

load ../lib/helper
load ../lib/host

share_cpu

# --- under debuggers ---

# same_output CMD...: `CMD -- ACT...` under the library prints what act does without.
STEPS=(write:100 readn:50 dup:b close@b fork close end wait shutdown:wr readall close)
same_output() {
    local plain
    serve "$PORT" accept readn:100 write:50 readall close accept readn:100 write:50 readall close
    plain=$(act "connect:$PORT" "${STEPS[@]}")
    "$@" "$ACT" "connect:$PORT" "${STEPS[@]}" >"$BATS_TEST_TMPDIR/out"
    diff <(echo "$plain") "$BATS_TEST_TMPDIR/out"
    [ "$(was_read | grep -cx '0 EOF')" -eq 2 ]
    [ "$(jq -r .policy "$LOG" | uniq)" = auto ]
}

@test "under valgrind" {
    need valgrind
    not_sanitized
    same_output beside "$LIB" auto valgrind -q --error-exitcode=9
}

@test "memcheck and helgrind say nothing of input that is discarded" {
    need valgrind
    not_sanitized
    local tool
    for tool in memcheck helgrind; do
        new_port
        serve "$PORT" accept write:1000 readall close
        NOTIMEWAIT_LOG=$LOG run preload fin-rst valgrind -q --tool=$tool --error-exitcode=9 \
            "$ACT" quiet "connect:$PORT" wait-unread:1000 write:5 close
        echo "$tool: $output"
        [[ $status -eq 0 && -z $output && $(json reason "$LOG" | tail -n 1) == discarded ]]
        [[ $(finish server) == *'readall 5 EOF'* ]]
    done
}

@test "under strace -f" {
    need strace
    same_output env NOTIMEWAIT_LOG="$LOG" strace -f -o "$BATS_TEST_TMPDIR/trace" \
        -E LD_PRELOAD="$LIB"
    grep -q SO_REUSEADDR "$BATS_TEST_TMPDIR/trace"
}

@test "under gdb" {
    need gdb
    in_gdb() {
        gdb -nx -q -batch -ex "set exec-wrapper env LD_PRELOAD=$LIB NOTIMEWAIT_LOG=$LOG" \
            -ex "run ${*:2} >$BATS_TEST_TMPDIR/gdb.out" -ex 'print $_exitcode' "$1" \
            </dev/null >"$BATS_TEST_TMPDIR/gdb.log" 2>&1 || return
        cat "$BATS_TEST_TMPDIR/gdb.out"
    }
    same_output in_gdb || { cat "$BATS_TEST_TMPDIR/gdb.log" && return 1; }
    grep -Fx '$1 = 0' "$BATS_TEST_TMPDIR/gdb.log"
}

# --- stderr ---

# inetd VAR=VALUE...: a program whose fds 0 to 2 are the connection echoes it, and adds nothing.
inetd() {
    new_port
    serve "$PORT" accept quiet dup2:0 dup2:1 dup2:2 close exec:env "LD_PRELOAD=$LIB" "$@" cat
    run act "connect:$PORT" write:1000 shutdown:wr readall close
    echo "$*: ${lines[3]}"
    [ "${lines[3]}" = 'readall 1000 EOF' ]
    finish server
}

@test "inetd: no byte of ours gets into the connection" {
    inetd NOTIMEWAIT_LOG=stderr
    inetd NOTIMEWAIT_LOG=stderr NOTIMEWAIT_POLICY=off
    inetd NOTIMEWAIT_POLICY=abrt
    inetd NOTIMEWAIT_LOG=/nowhere/log
    inetd NOTIMEWAIT_LOG="$LOG"
    [ "$(jq -r .program "$LOG")" = cat ]
}

@test "bad configuration, and stderr a pipe that is full or broken: no wait, no signal" {
    mkfifo "$BATS_TEST_TMPDIR/pipe"
    exec {both}<>"$BATS_TEST_TMPDIR/pipe"
    exec {stderr}>"$BATS_TEST_TMPDIR/pipe"
    run dd if=/dev/zero of="$BATS_TEST_TMPDIR/pipe" oflag=nonblock bs=4096 count=10000
    [[ $output == *'Resource temporarily unavailable'* ]]
    told_nobody() {
        local bad
        for bad in NOTIMEWAIT_POLICY=abrt NOTIMEWAIT_LOG=/nowhere/log; do
            output=$(timeout 10 env --default-signal=PIPE LD_PRELOAD="$LIB" "$bad" "$ACT" \
                say:fine 2>&"$stderr")
            echo "$bad: $output"
            [ "$output" = 'say fine' ]
        done
    }
    told_nobody
    exec {both}>&-
    told_nobody
    exec {stderr}>&-
}

# --- fds: all closed, few, many ---

daemonizer() {
    compile daemonizer <<-'C'
	#include "host.h"
	/* As daemons do, and some do it one by one; then connections on fds 0 to 2. */
	int main(int argc, char **argv)
	{
	    REQUIRE(argc == 2 && daemon(0, 0) == 0);
	    if (strcmp(argv[1], "closefrom") == 0)
	        closefrom(3);
	    for (int fd = 0; fd < 1024; fd++)
	        close(fd);
	    for (int i = 0; i < 3; i++)
	        REQUIRE(dial() == i);
	    for (int i = 0; i < 3; i++)
	        put(i, 1000);
	    for (int i = 0; i < 2; i++)
	        REQUIRE(close(i) == 0);
	    return 0;
	}
	C
}

@test "a daemon that has closed all fds: its connections are covered and logged" {
    daemonizer
    for how in closefrom each; do
        for policy in fin-rst abort; do
            new_port
            serve "$PORT" accept readall close accept readall close accept readall close
            beside "$LIB" "$policy" "$BATS_TEST_TMPDIR/daemonizer" "$how"
            [[ $(was_read) =~ ^'1000 '(EOF|ECONNRESET)$'\n1000 '(EOF|ECONNRESET)$'\n1000 EOF'$ ]]
            until_true 5000 grep -q '"fd":2,' "$LOG" # a daemon's end is nobody's to wait for
            [ "$(jq -r '"\(.fd) \(.via) \(.program)"' "$LOG")" = \
                $'0 close daemonizer\n1 close daemonizer\n2 exit daemonizer' ]
            settle "$PORT"
            [ "$policy" = abort ] || [ "$(time_wait_client "$PORT")" -eq 0 ]
        done
    done
}

@test "a daemon's connection on fd 2 gets no record of a log that was stderr" {
    daemonizer
    serve "$PORT" accept readall close accept readall close accept readall close
    LOG=stderr beside "$LIB" fin-rst "$BATS_TEST_TMPDIR/daemonizer" closefrom \
        2>"$BATS_TEST_TMPDIR/err"
    [ "$(was_read)" = $'1000 EOF\n1000 EOF\n1000 EOF' ]
    [ ! -s "$BATS_TEST_TMPDIR/err" ]
}

@test "20 fds: the program's calls fail as without the library; a record may be dropped" {
    local all=(loop:30 open:/dev/null@x end "connect:$PORT" connect:1)
    ulimit -n 20
    serve "$PORT" loop:100 accept readall close end
    run act "${all[@]}"
    local plain=$output
    run beside "$LIB" fin-rst act "${all[@]}"
    [ "$output" = "$plain" ]
    beside "$LIB" fin-rst act loop:50 "connect:$PORT" write:100 close end
    [ "$(logged | uniq -c)" = '     50 close fin-rst' ]
    # No fd is free for the record of the first end.
    beside "$LIB" fin-rst act "connect:$PORT" "connect:$PORT@b" open:/dev/null@c quiet \
        loop:30 dup:x@c end dup2:a@c close@b
    [ "$(jq -r '"\(.via) \(.dropped)"' "$LOG")" = 'close 1' ]
}

# at_fd N WANTED_LINGER2 [LIBRARY]: a connection made on fd N, copied there and back, and closed.
at_fd() {
    new_port
    readers 1
    run beside "${3-$LIB}" fin-rst act socket "fcntl-dupfd:b:$1" close "connect:$PORT@b" \
        getlinger2@b write:1000@b dup:c@b close@b write:1000@c "dup2:$1@c" close@c \
        "use:d" "fd:$1" write:1000 expect-open close expect-open:"$1"
    echo "$output"
    [ "${lines[1]}" = "fcntl-dupfd $1" ]
    grep -x "getlinger2 $2" <<<"$output"
    [ "${lines[-1]}" = 'expect-open -1 EBADF' ]
    [ "$(was_read)" = '3000 EOF' ]
    [ ! -e "$LOG" ] || [ "$(jq -r .fd "$LOG")" = "$1" ]
}

@test "the highest fd numbers that this system allows" {
    ulimit -Hn 1048576 2>/dev/null || true
    ulimit -Sn "$(ulimit -Hn)"
    local highest=$(($(ulimit -Hn) - 1))
    for fd in $((highest < 1048576 ? highest : 1048575)) \
        $((highest < 999999 ? highest - 1 : 999999)); do
        at_fd "$fd" -1
        [ "$(logged)" = 'close fin-rst' ]
    done
}

@test "fds beyond the table pass untouched" {
    ulimit -Sn "$(ulimit -Hn)"
    # The same library with a table of 1024 fds.
    cp -r shim "$BATS_TEST_TMPDIR/shim"
    sed -i -e 's/^\(#define TABLE_PAGE_FDS  *\).*/\11024u/' \
        -e 's/^\(#define TABLE_PAGES  *\).*/\11u/' "$BATS_TEST_TMPDIR/shim/connection/table.h"
    make -s -C "$BATS_TEST_TMPDIR" -f "$PWD/Makefile" CFLAGS=-O1 BUILD=small small/libnotimewait.so 3>&-
    local small=$BATS_TEST_TMPDIR/small/libnotimewait.so
    at_fd 1023 -1 "$small"
    [ "$(logged)" = 'close fin-rst' ]
    for fd in 1024 5000; do
        at_fd "$fd" "$(cat /proc/sys/net/ipv4/tcp_fin_timeout)" "$small"
        [ ! -e "$LOG" ]
    done
    # A copy beyond it keeps the connection: no more than fin-rst, whatever the policy.
    for policy in abort drain last-read; do
        new_port
        readers 1
        beside "$small" "$policy" act "connect:$PORT" write:1000 fcntl-dupfd:b:2000 close \
            writen:400000@b close@b
        [ "$(was_read)" = '401000 EOF' ]
    done
}

# --- the environment, and programs that are not dynamic ---

@test "a program that clears and overwrites its environment at once" {
    compile titled <<-'C'
	#include "host.h"
	int main(int argc, char **argv, char **env)
	{
	    static char port[8];
	    REQUIRE(argc == 1 && argv[0]);
	    snprintf(port, sizeof(port), "%s", getenv("TEST_PORT"));
	    for (; *env; env++)
	        memset(*env, 'X', strlen(*env)); /* as setproctitle() does */
	    clearenv();
	    setenv("TEST_PORT", port, 1);
	    int fd = dial();
	    put(fd, 1000);
	    REQUIRE(linger2(fd) == -1 && close(fd) == 0);
	    return system("test -z \"$LD_PRELOAD$NOTIMEWAIT_LOG\"");
	}
	C
    readers 1
    beside "$LIB" fin-rst "$BATS_TEST_TMPDIR/titled"
    [ "$(was_read)" = '1000 EOF' ]
    [ "$(jq -r '"\(.program) \(.action)"' "$LOG")" = 'titled fin-rst' ]
}

@test "errno is 0 when the program begins, whatever its fds 0 to 2 are" {
    local policy
    not_sanitized # its runtime makes the directory of its log, and leaves EEXIST
    need "${CC:-gcc}"
    printf '#include <errno.h>\nint main(void) { return errno; }\n' >"$BATS_TEST_TMPDIR/begins.c"
    "${CC:-gcc}" -o "$BATS_TEST_TMPDIR/begins" "$BATS_TEST_TMPDIR/begins.c"
    for policy in off auto fin-rst abort; do
        preload "$policy" "$BATS_TEST_TMPDIR/begins" </dev/null
        preload "$policy" "$BATS_TEST_TMPDIR/begins" <&- >&-
        NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_STATS=$LOG preload "$policy" "$BATS_TEST_TMPDIR/begins"
    done
}

@test "a program that unsets LD_PRELOAD: what it starts is not covered, and works" {
    serve "$PORT" loop:2:loud accept readall close end
    run beside "$LIB" fin-rst sh -c 'unset LD_PRELOAD; exec "$0" "$@"' "$ACT" "connect:$PORT" \
        write:1000 getlinger2 close
    [ "${lines[2]}" = "getlinger2 $(cat /proc/sys/net/ipv4/tcp_fin_timeout)" ]
    # Its own connection is left to the program that it becomes.
    run beside "$LIB" abort act "connect:$PORT" write:1000 exec:env -u LD_PRELOAD "$ACT" \
        inherit write:500 wait-acked getlinger getlinger2 close
    [[ $output == *$'\ngetlinger 0:0\n'* ]]
    [ "$(was_read)" = $'1000 EOF\n1500 EOF' ]
    [ ! -e "$LOG" ]
}

@test "a statically linked program runs untouched" {
    compile static -static <<-'C'
	#include "host.h"
	int main(void)
	{
	    int fd = dial();
	    put(fd, 1000);
	    printf("%d\n", linger2(fd));
	    return close(fd);
	}
	C
    readers 1
    run beside "$LIB" abort "$BATS_TEST_TMPDIR/static"
    [ "$status $output" = "0 $(cat /proc/sys/net/ipv4/tcp_fin_timeout)" ]
    [ "$(was_read)" = '1000 EOF' ]
    settle "$PORT"
    [ "$(time_wait_client "$PORT")" -eq 1 ]
    [ ! -e "$LOG" ]
}
