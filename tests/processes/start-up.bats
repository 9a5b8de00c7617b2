#!/usr/bin/env bats
# The library among others, from before its constructor to after the exit handlers: other
# preloads, plugins, debuggers, daemons, inetd, few and many fds. The host works as without it.
# shellcheck disable=SC2016 # sh's own variables

load ../lib/helper

# What the C sources below share.
setup_file() {
    cat >"$BATS_FILE_TMPDIR/host.h" <<-'C'
	#include <arpa/inet.h>
	#include <dlfcn.h>
	#include <errno.h>
	#include <fcntl.h>
	#include <netinet/in.h>
	#include <netinet/tcp.h>
	#include <stdio.h>
	#include <stdlib.h>
	#include <string.h>
	#include <sys/socket.h>
	#include <unistd.h>

	#define REQUIRE(condition) \
	    do { if (!(condition)) { perror(#condition); abort(); } } while (0)

	/* A connection to $TEST_PORT. */
	__attribute__((unused)) static int dial(void)
	{
	    struct sockaddr_in to = {.sin_family = AF_INET,
	                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	                             .sin_port = htons((unsigned short)atoi(getenv("TEST_PORT")))};
	    int fd = socket(AF_INET, SOCK_STREAM, 0);
	    REQUIRE(fd >= 0);
	    REQUIRE(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	    return fd;
	}

	__attribute__((unused)) static void put(int fd, size_t n)
	{
	    char bytes[1000] = {0};
	    for (; n > 0; n -= sizeof(bytes))
	        REQUIRE(write(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes));
	}

	/* TCP_LINGER2, or -2 where fd is no TCP socket. */
	__attribute__((unused)) static int linger2(int fd)
	{
	    int value;
	    socklen_t len = sizeof(value);
	    return getsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &value, &len) == 0 ? value : -2;
	}
	C
}

# compile NAME [FLAG...]: stdin, C, as a shared library $BATS_TEST_TMPDIR/NAME.so, or as the
# program NAME.
compile() {
    local out=$BATS_TEST_TMPDIR/$1 flags=(-fPIC -shared)
    shift
    [[ $out == *.so ]] || flags=()
    gcc -g -O1 -Wall -Wextra -Werror -D_GNU_SOURCE "${flags[@]}" -I "$BATS_FILE_TMPDIR" -x c - \
        -o "$out" -pthread "$@"
}

# beside PRELOAD POLICY CMD...: runs CMD (or act) with LD_PRELOAD=PRELOAD, its log in $LOG.
beside() {
    local preload=$1 policy=$2
    shift 2
    rm -f "$LOG"
    [[ $1 != act ]] || set -- "$ACT" "${@:2}"
    TEST_PORT=$PORT NOTIMEWAIT_LOG=$LOG LD_PRELOAD=$preload NOTIMEWAIT_POLICY=$policy "$@"
}

# readers N: a plain server that reads N connections slowly to their ends.
readers() {
    local i steps=()
    for ((i = 0; i < $1; i++)); do
        steps+=(accept readslow:65536:1 close)
    done
    serve "$PORT" "${steps[@]}"
}

# was_read: what the server read of each connection: a line `BYTES END` each.
was_read() {
    finish server | sed -n 's/^read[a-z]* //p'
}

# logged: the records: a line `VIA ACTION` each.
logged() {
    [ ! -e "$LOG" ] || jq -r '"\(.via) \(.action)"' "$LOG"
}

# not_sanitized: skips the test where the library needs a sanitizer's runtime, which replaces
# malloc itself.
not_sanitized() {
    readelf -d "$LIB" | grep -Eq 'lib(a|t)san' && skip 'not with a sanitizer'
    true
}

# --- other constructors, plugins, destructors ---

# A library that opens, uses and closes at its constructor, and keeps a connection for exit.
early() {
    compile early.so "$@" <<-'C'
	#include "host.h"
	static int kept;
	static void late(int status, void *unused)
	{
	    (void)status, (void)unused;
	    put(kept, 200000);
	    REQUIRE(close(kept) == 0);
	}
	__attribute__((constructor)) static void early(int argc, char **argv, char **env)
	{
	    (void)argc, (void)argv;
	    environ = env; /* before libc's own constructor */
	    int fd = dial();
	    put(fd, 1000);
	    fprintf(stderr, "early: %d\n", linger2(fd));
	    REQUIRE(close(fd) == 0);
	    REQUIRE((fd = open("/dev/zero", O_RDWR)) >= 0);
	    int copy = dup(fd);
	    char c;
	    REQUIRE(read(copy, &c, 1) == 1 && write(fd, &c, 1) == 1);
	    REQUIRE(close(copy) == 0 && close(fd) == 0 && close(fd) == -1 && errno == EBADF);
	    kept = dial();
	    on_exit(late, NULL); /* atexit() would call it with the destructors */
	}
	C
}

@test "another library's constructor before ours, its exit handler after ours" {
    # Of two that ask to be initialised first, the loader takes the one that it loads last.
    early -Wl,-z,initfirst
    for policy in fin-rst abort drain last-read; do
        PORT=$(port)
        readers 3
        run beside "$LIB:$BATS_TEST_TMPDIR/early.so" "$policy" act "connect:$PORT" write:500 \
            wait-acked getlinger2
        echo "$policy: $output"
        [ "$status" -eq 0 ]
        # It was there before us: nothing was armed yet.
        [ "${lines[0]}" = "early: $(cat /proc/sys/net/ipv4/tcp_fin_timeout)" ]
        [ "$(was_read)" = $'1000 EOF\n200000 EOF\n500 EOF' ]
        case $policy in
        fin-rst) [[ ${lines[-1]} == 'getlinger2 -1' && $(logged) == 'exit fin-rst' ]] ;;
        *) [ "$(logged)" = 'exit none' ] ;;
        esac
    done
}

@test "another library's constructor after ours, its exit handler before ours" {
    early
    for policy in fin-rst drain last-read; do
        for order in "$LIB:$BATS_TEST_TMPDIR/early.so" "$BATS_TEST_TMPDIR/early.so:$LIB"; do
            PORT=$(port)
            readers 3
            run beside "$order" "$policy" act "connect:$PORT" write:500 wait-acked
            [ "$status" -eq 0 ]
            [[ $(was_read) =~ ^'1000 '(EOF|ECONNRESET)$'\n200000 '(EOF|ECONNRESET)$'\n500 EOF'$ ]]
            [ "$(jq -r .via "$LOG")" = $'close\nclose\nexit' ]
        done
        [ "$policy" != fin-rst ] || [ -z "$(settle "$PORT" && states "$PORT")" ]
    done
}

# A library whose destructor finds the program's connection, writes to it and ends it as $END
# says. With -DHANDLER it does so in an exit handler that is called after ours.
late() {
    compile late.so "$@" <<-'C'
	#include "host.h"
	static void late(int status, void *unused)
	{
	    (void)status, (void)unused;
	    int fd = 3;
	    const char *end = getenv("END");
	    while (fd < 20 && linger2(fd) == -2)
	        fd++;
	    REQUIRE(fd < 20);
	    if (strcmp(end, "fclose") == 0) {
	        static char room[300000];
	        FILE *stream = fdopen(fd, "w");
	        setvbuf(stream, room, _IOFBF, sizeof(room));
	        REQUIRE(fwrite((char[200000]){0}, 200000, 1, stream) == 1);
	        REQUIRE(fclose(stream) == 0);
	        return;
	    }
	    put(fd, 200000);
	    if (strcmp(end, "close") == 0)
	        REQUIRE(close(fd) == 0);
	    if (strcmp(end, "_exit") == 0)
	        _exit(0);
	}
	#ifdef HANDLER
	__attribute__((constructor)) static void early(void)
	{
	    on_exit(late, NULL);
	}
	#else
	__attribute__((destructor)) static void destructor(void)
	{
	    late(0, NULL);
	}
	#endif
	C
}

# written_late POLICY END: what late.so writes arrives.
written_late() {
    PORT=$(port)
    readers 1
    END=$2 beside "$LIB:$BATS_TEST_TMPDIR/late.so" "$1" act "connect:$PORT" write:1000
    echo "$1 $2: $(logged)"
    [[ $(was_read) =~ ^'201000 '(EOF|ECONNRESET)$ ]]
}

@test "another library's destructor writes and closes: no byte is lost" {
    late
    for policy in fin-rst abort drain last-read; do
        for end in leave fclose _exit close; do
            [ "$policy $end" != 'abort close' ] || continue # is what abort is
            written_late "$policy" "$end"
            case $end in
            leave | _exit) [[ $(logged) =~ ^'exit '(none|fin-rst)$ ]] ;;
            fclose) [[ $(logged) =~ ^'fclose '(none|fin-rst)$ ]] ;;
            close) [[ $(logged) =~ ^'close '[a-z-]+$ ]] ;;
            esac
        done
    done
}

@test "the same in an exit handler that is called after ours" {
    late -DHANDLER -Wl,-z,initfirst
    for policy in fin-rst abort drain last-read; do
        for end in leave fclose _exit close; do
            written_late "$policy" "$end"
            # It was told of as what the process left open, once.
            [[ $(logged) =~ ^'exit '(none|fin-rst)$ ]]
        done
    done
}

plugin_host() {
    compile plugin.so <<-'C'
	#include "host.h"
	static int fd;
	__attribute__((constructor)) static void begin(void)
	{
	    put(fd = dial(), 1000);
	}
	__attribute__((destructor)) static void end(void)
	{
	    put(fd, 1000);
	    REQUIRE(close(fd) == 0);
	}
	C
	# argv: plugin, how it is loaded; three times, with a connection of its own on the number
	# that the plugin closed.
    compile host <<-'C'
	#include "host.h"
	int main(int argc, char **argv)
	{
	    REQUIRE(argc == 3);
	    for (int i = 0; i < 3; i++) {
	        int deep = strcmp(argv[2], "deep") == 0 ? RTLD_DEEPBIND : 0;
	        void *plugin = strcmp(argv[2], "apart") == 0
	                           ? dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW)
	                           : dlopen(argv[1], RTLD_NOW | deep);
	        REQUIRE(plugin);
	        REQUIRE(dlclose(plugin) == 0);
	        int fd = dial();
	        put(fd, 1000);
	        REQUIRE(close(fd) == 0);
	    }
	    puts("done");
	}
	C
}

# plugged POLICY HOW: the server has read all of the three plugins' and the host's connections.
plugged() {
    PORT=$(port)
    readers 6
    run beside "$LIB" "$1" "$BATS_TEST_TMPDIR/host" "$BATS_TEST_TMPDIR/plugin.so" "$2"
    echo "$1 $2: $output"
    [ "$status $output" = '0 done' ]
    [ "$(was_read | grep -Ecx '(2000|1000) (EOF|ECONNRESET)')" -eq 6 ]
    settle "$PORT"
}

@test "plugins that connect in their constructors and close in their destructors" {
    plugin_host
    for policy in auto fin-rst abort drain last-read off; do
        plugged "$policy" plain
        [ "$(jq -r .via "$LOG" | uniq -c)" = '      6 close' ]
        case $policy in
        off | auto | last-read) [ "$(time_wait_client "$PORT")" -eq 6 ] ;;
        *) [ "$(time_wait_client "$PORT")" -eq 0 ] ;;
        esac
    done
}

@test "plugins that call another libc than ours: theirs are plain, ours by the policy" {
    plugin_host
    for how in deep apart; do
        for policy in fin-rst abort drain; do
            plugged "$policy" "$how"
            [ "$(jq -r .via "$LOG" | uniq -c)" = '      3 close' ]
            [ "$(time_wait_client "$PORT")" -eq 3 ]
        done
    done
}

@test "a plugin of another libc closes what the host has opened" {
    compile closer.so <<-'C'
	#include "host.h"
	int unseen_close(int fd)
	{
	    return close(fd);
	}
	C
    compile host <<-'C'
	#include "host.h"
	int main(int argc, char **argv)
	{
	    REQUIRE(argc == 2);
	    void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND);
	    REQUIRE(plugin);
	    int (*unseen_close)(int) = (int (*)(int))dlsym(plugin, "unseen_close");
	    int (*unseen_socket)(int, int, int) =
	        (int (*)(int, int, int))dlsym(dlopen("libc.so.6", RTLD_NOW), "socket");
	    int fd = dial();
	    put(fd, 1000);
	    REQUIRE(unseen_close(fd) == 0);
	    REQUIRE(unseen_socket(AF_UNIX, SOCK_DGRAM, 0) == fd);
	    REQUIRE(close(fd) == 0 && close(fd) == -1 && errno == EBADF);
	    REQUIRE(dial() == fd);
	    put(fd, 200000);
	    REQUIRE(unseen_close(fd) == 0);
	    puts("done");
	}
	C
    for policy in fin-rst abort drain last-read; do
        PORT=$(port)
        readers 2
        run beside "$LIB" "$policy" "$BATS_TEST_TMPDIR/host" "$BATS_TEST_TMPDIR/closer.so"
        echo "$policy: $output"
        [ "$status $output" = '0 done' ]
        [ "$(was_read)" = $'1000 EOF\n200000 EOF' ]
        [ ! -e "$LOG" ] # none of the ends was seen
    done
}

# --- beside other interposers ---

# Counts the TCP calls that it sees, and uses files in its close().
counter() {
    compile counter.so <<-'C'
	#include "host.h"
	static int closes, connects;
	static __thread int inside;
	int connect(int fd, const struct sockaddr *addr, socklen_t len)
	{
	    int (*next)(int, const struct sockaddr *, socklen_t) =
	        (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
	    connects += linger2(fd) != -2;
	    return next(fd, addr, len);
	}
	int close(int fd)
	{
	    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "close");
	    if (inside++ == 0) {
	        int null = open("/dev/null", O_WRONLY);
	        closes += linger2(fd) != -2;
	        REQUIRE(write(null, "x", 1) == 1 && close(null) == 0);
	    }
	    inside--;
	    return next(fd);
	}
	__attribute__((destructor)) static void end(void)
	{
	    fprintf(stderr, "counted %d %d\n", connects, closes);
	}
	C
}

@test "another interposer, before or after us: both see each call once" {
    counter
    local plain
    serve "$PORT" loop:100 accept readn:100 write:50 readall close end
    plain=$(act loop:5:loud "connect:$PORT" write:100 readn:50 close end)
    for order in "$LIB:$BATS_TEST_TMPDIR/counter.so" "$BATS_TEST_TMPDIR/counter.so:$LIB"; do
        for policy in fin-rst abort drain last-read; do
            beside "$order" "$policy" act loop:5:loud "connect:$PORT" write:100 readn:50 close \
                end >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
            diff - "$BATS_TEST_TMPDIR/out" <<<"$plain"
            [ "$(<"$BATS_TEST_TMPDIR/err")" = 'counted 5 5' ]
            [ "$(jq -r .via "$LOG" | uniq -c)" = '      5 close' ]
        done
    done
}

@test "jemalloc, before or after us" {
    need python3
    not_sanitized
    local jemalloc
    jemalloc=$(compgen -G '/usr/lib/*/libjemalloc.so.2')
    cat >"$BATS_TEST_TMPDIR/client.py" <<-'PYTHON'
	import socket, sys, threading
	def work():
	    for i in range(10):
	        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
	        s.sendall(bytes(100))
	        if len(s.recv(50, socket.MSG_WAITALL)) != 50: sys.exit(1)
	        s.close()
	threads = [threading.Thread(target=work) for i in range(4)]
	for t in threads: t.start()
	for t in threads: t.join()
	print("done")
	PYTHON
    serve "$PORT" quiet loop:1000 accept readn:100 write:50 readall close end
    for order in "$jemalloc:$LIB" "$LIB:$jemalloc"; do
        MALLOC_CONF=stats_print:true beside "$order" fin-rst python3 "$BATS_TEST_TMPDIR/client.py" \
            "$PORT" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
        [ "$(<"$BATS_TEST_TMPDIR/out")" = 'done' ]
        grep -q 'jemalloc statistics' "$BATS_TEST_TMPDIR/err"
        [ "$(logged | uniq -c)" = '     40 close fin-rst' ]
    done
    settle "$PORT"
    [ "$(time_wait_client "$PORT")" -eq 0 ]
}

@test "the library twice, and another copy of it" {
    cp "$LIB" "$BATS_TEST_TMPDIR/copy.so"
    for policy in fin-rst abort drain last-read off; do
        PORT=$(port)
        wanted=$([ "$policy" = off ] && echo 2 || echo 0)
        serve "$PORT" loop:2:loud accept readn:100 write:50 readall close end
        for second in "$LIB" "$BATS_TEST_TMPDIR/copy.so"; do
            run beside "$LIB:$second" "$policy" act "connect:$PORT" write:100 readn:50 close
            [ "$output" = $'connect 0\nwrite 100\nreadn 50\nclose 0' ]
            [ "$second" != "$LIB" ] || [ "$(jq -r .via "$LOG")" = close ]
        done
        settle "$PORT"
        [ "$(time_wait_client "$PORT")" -eq "$wanted" ]
    done
}

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
    same_output beside "$LIB" auto valgrind -q --suppressions=tests/sanitize/valgrind.supp \
        --error-exitcode=9
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
    PORT=$(port)
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
            PORT=$(port)
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
    PORT=$(port)
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
    make -s -C "$BATS_TEST_TMPDIR" -f "$PWD/Makefile" CFLAGS=-O1 BUILD=small all 3>&-
    local small=$BATS_TEST_TMPDIR/small/libnotimewait.so
    at_fd 1023 -1 "$small"
    [ "$(logged)" = 'close fin-rst' ]
    for fd in 1024 5000; do
        at_fd "$fd" "$(cat /proc/sys/net/ipv4/tcp_fin_timeout)" "$small"
        [ ! -e "$LOG" ]
    done
    # A copy beyond it keeps the connection: no more than fin-rst, whatever the policy.
    for policy in abort drain last-read; do
        PORT=$(port)
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
