# shellcheck shell=bash
# For tests that compile programs and libraries which run beside ours; loaded after helper. Owns
# what their C sources share (host.h), and runs them.

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
