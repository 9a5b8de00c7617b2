#!/usr/bin/env bats
# The library among others, from before its constructor to after the exit handlers: their
# constructors and destructors, plugins, other preloads. All work as without it.
# shellcheck disable=SC2016 # sh's own variables

load ../lib/helper
load ../lib/host

share_cpu

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
        new_port
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
            new_port
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
    new_port
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
    new_port
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
        new_port
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
        new_port
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

# own_dlsym NAME [FLAG...]: has a dlsym() of its own, which asks libc's; with -D MAIN, a program.
own_dlsym() {
    compile "$@" <<-'C'
	#include "host.h"
	void *dlsym(void *handle, const char *name)
	{
	    static void *(*real)(void *, const char *);
	    static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5"};
	    for (size_t i = 0; !real && i < 3; i++)
	        real = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
	    void *volatile found = real(handle, name); /* no jump: it is we who ask */
	    return found;
	}
	#ifdef MAIN
	int main(void)
	{
	    int fd = dial();
	    put(fd, 1000);
	    return close(fd);
	}
	#endif
	C
}

@test "a program, or a library that is preloaded before ours, with a dlsym() of its own" {
    not_sanitized # AddressSanitizer's runtime by itself does not end such a program's start
    own_dlsym own -D MAIN
    own_dlsym own.so
    new_port
    readers 2
    run beside "$LIB" fin-rst timeout 20 "$BATS_TEST_TMPDIR/own"
    [[ $status -eq 0 && $(logged) == 'close fin-rst' ]]
    run beside "$BATS_TEST_TMPDIR/own.so:$LIB" fin-rst timeout 20 "$ACT" "connect:$PORT" write:1000 close
    [[ $status -eq 0 && $(logged) == 'close fin-rst' ]]
    [[ $(was_read) == $'1000 EOF\n1000 EOF' ]]
}
