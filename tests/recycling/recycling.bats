# connect() takes over ports in TIME_WAIT: with fewer ports than connections none fails, and what
# must not be taken over is not. (NOTIMEWAIT_RECYCLE; facts 15 to 17.) Many processes and threads
# are in recycling-scale.bats.
# shellcheck disable=SC2154 # run_recycle sets them
load ../lib/helper
load ../lib/recycling
load ../lib/host

@test "more connections than ports: plain connects fail, with the library none does" {
    ports 300
    plain n=600
    [[ $failed -ge 300 && $failed -eq $EADDRNOTAVAIL ]]
    ports 300
    under auto n=3000
    [[ $failed -eq 0 && $connects -eq 3000 && $whole -eq 3000 && $broken -eq 0 ]]
    [[ $ports -le 300 && $resets -eq 0 ]]
}

@test "under every policy that leaves TIME_WAIT, and not under off" {
    local policy
    ports 200
    for policy in auto linger:1; do
        under "$policy" n=800
        [[ $failed -eq 0 && $whole -eq 800 ]]
    done
    under off n=800
    [[ $failed -ge 600 ]]
    ports 200
    NOTIMEWAIT_RECYCLE=off under auto n=800
    [[ $failed -ge 600 ]]
}

@test "tcp_tw_reuse 1 and 2: where the kernel itself takes over, after a second" {
    local reuse
    for reuse in 1 2; do
        ports 200
        echo $reuse >/proc/sys/net/ipv4/tcp_tw_reuse
        under auto n=1500
        [[ $failed -eq 0 && $whole -eq 1500 && $resets -eq 0 ]]
    done
}

@test "IPv6, v4-mapped addresses, non-blocking sockets, four destinations" {
    local how
    ports 200
    for how in family=6 family=46 nonblock=1 'family=6 nonblock=1'; do
        # shellcheck disable=SC2086 # words
        under auto n=1000 $how
        [[ $failed -eq 0 && $whole -eq 1000 && $broken -eq 0 && $resets -eq 0 ]]
    done
    under auto n=4000 destinations=4
    [[ $failed -eq 0 && $whole -eq 4000 && $broken -eq 0 && $resets -eq 0 ]]
}

@test "0.0.0.0 and ::, which connect() takes for the loopback address" {
    local any
    ports 4
    for any in 0.0.0.0 '[::]'; do
        serve "${any/0.0.0.0/127.0.0.1}:$PORT" quiet loop:9 accept readall close end
        run preload auto act quiet loop:9 "connect:$any:$PORT" write:1 close end
        echo "$output"
        [[ $status -eq 0 && $output != *EADDRNOTAVAIL* ]]
        finish server
    done
}

@test "half of the ports are enough: those that are still free are left to others" {
    ports 1000
    under auto n=3000 pause=800
    [[ $failed -eq 0 && $whole -eq 3000 && $ports -le 700 && $resets -eq 0 ]]
}

@test "once ports are plenty again, the kernel chooses them" {
    local range=/proc/sys/net/ipv4/ip_local_port_range first last
    ports 20
    read -r first _ <$range
    serve "$PORT" quiet loop:633 accept readall close end
    NOTIMEWAIT_LOG=$LOG start client preload auto act quiet loop:300 "connect:$PORT" write:1 close end loud \
        say:scarce "wait-file:$BATS_TEST_TMPDIR/plenty" quiet loop:330 "connect:$PORT" write:1 close end \
        loop:3 sleep:210 "connect:$PORT" write:1 close end
    wait_output client '^say scarce'
    ports 1000
    read -r _ last <$range
    echo "$first $last" >$range
    sleep 2.1 # it is looked at every two seconds
    touch "$BATS_TEST_TMPDIR/plenty"
    finish client
    finish server
    jq .recycled "$LOG" | uniq -c
    # 280 of the first 300; where these took two seconds, with a probe, and the next comes 256 later; then a
    # probe and 64 more; the last three could have old ones.
    [[ $(jq .recycled "$LOG" | head -n 300 | grep -c true) -eq 280 && $(jq .recycled "$LOG" | tail -n 3 | uniq) == false ]]
}

@test "a socket with a range of ports of its own gets one of these" {
    local range=/proc/sys/net/ipv4/ip_local_port_range first last
    ports 20
    read -r first _ <$range
    serve "$PORT" quiet loop:61 accept readall close end
    ports 20
    read -r _ last <$range
    echo "$first $((first + 19))" >$range
    run preload auto python3 -c '
import socket, sys
to, first, last = ("127.0.0.1", int(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
for i in range(61):
    s = socket.socket()
    if i == 60:
        open(sys.argv[4], "w").write("%d %d" % (first, last))
        try:
            s.setsockopt(socket.IPPROTO_IP, 51, last << 16 | first + 20) # IP_LOCAL_PORT_RANGE
        except OSError:
            sys.exit("this kernel has no such option")
    s.connect(to)
    port = s.getsockname()[1]
    s.close()
print("its own" if port >= first + 20 else port)' "$PORT" "$first" "$last" $range
    [[ $output != *'no such option' ]] || skip "$output"
    [[ $output == 'its own' ]]
    finish server
}

@test "20 ports, of which one is used for long" {
    ports 20
    under auto n=300 hold=1
    [[ $failed -eq 0 && $whole -eq 300 && $ports -le 20 && $resets -eq 0 ]]
    under auto n=300 hold=1 pause=2000
    [[ $failed -eq 0 && $whole -eq 300 ]]
}

@test "a process takes over what other processes left" {
    ports 100
    plain n=95 processes=1 runs=4 exec=1
    [[ $failed -ge 280 ]]
    ports 100
    under auto n=95 processes=1 runs=4 exec=1
    [[ $failed -eq 0 && $whole -eq 380 && $resets -eq 0 ]]
}

@test "an orphan in FIN_WAIT2 is never taken over: its peer may still read" {
    ports 100
    plain n=150 deaf=1
    [[ $failed -eq 50 ]]
    before=$resets # of the server that ends with its queue full
    ports 100
    under auto n=150 deaf=1
    [[ $failed -eq 50 && $resets -eq $before ]]
}

@test "nor is one among entries in TIME_WAIT: its peer reads on, to the end" {
    ports 16
    serve "$PORT" quiet use:b accept use:c accept use:d accept use:a loop:60 accept readall close end loud \
        use:b peername readall use:c peername readall use:d peername readall
    NOTIMEWAIT_LOG=$LOG preload auto act quiet loop:3 "connect:$PORT" write:1 close end \
        loud loop:60 "connect:$PORT" write:1 close end
    run finish server
    echo "$output"
    [[ $(grep -c '^peername 127' <<<"$output") -eq 3 && $(grep -cx 'readall 1 EOF' <<<"$output") -eq 3 ]]
    [[ $(jq -r 'select(.recycled).local' "$LOG" | wc -l) -ge 40 ]]
}

@test "an entry whose socket had no SO_REUSEADDR is left alone, and connect() fails as without us" {
    ports 100
    plain n=200 port="$PORT"
    [[ $failed -eq $((200 - ports)) ]]
    under auto n=200 port="$PORT"
    [[ $failed -eq 200 && $EADDRNOTAVAIL -eq 200 && $resets -eq 0 ]]
}

@test "without timestamps nothing is taken over, and nothing else fails" {
    ports 100
    echo 0 >/proc/sys/net/ipv4/tcp_timestamps
    plain n=300
    before=$failed
    ports 100
    under auto n=300
    echo 1 >/proc/sys/net/ipv4/tcp_timestamps
    [[ $failed -eq $before && $failed -ge 200 && $resets -eq 0 ]]
}

@test "a peer that takes no verified entry is left alone: one look, not one for each connect" {
    local table=$BATS_TEST_TMPDIR/strace range=/proc/sys/net/ipv4/ip_local_port_range first
    need strace
    ports 64
    read -r first _ <$range
    first=$(((first + 31) / 32 * 32))
    echo "$first $((first + 19))" >$range # two blocks of ten
    echo 0 >/proc/sys/net/ipv4/tcp_timestamps
    NOTIMEWAIT_POLICY=auto run_recycle strace -f --seccomp-bpf -o "$table" -e trace=recvmmsg -E LD_PRELOAD="$LIB" \
        "$BUILD/tests/recycle" port="$PORT" n=60 wait=1
    echo 1 >/proc/sys/net/ipv4/tcp_timestamps
    # However many looks it took to find an entry: the one at what became of it is the last, but for
    # one at each block, whether it has a port that the peer has no socket at.
    sed 's/\[.*\]//' "$table"
    [[ $failed -eq 40 && $(grep -c ', 1, MSG_DONTWAIT' "$table") -eq 1 ]]
    [[ $(sed '1,/, 1, MSG_DONTWAIT/d' "$table" | grep -c recvmmsg) -le 2 ]]
}

@test "a connect() that finds no port waits for one, also where none was taken over for long" {
    ports 4
    serve "$PORT" accept@b accept@c accept@d accept@e readall@b close@b accept@b readall@c close@c accept@c
    run preload auto act "connect:$PORT@a" "connect:$PORT@b" "connect:$PORT@c" "connect:$PORT@d" \
        close@a "connect:$PORT@a" sleep:2500 close@b "connect:$PORT@b"
    echo "$output"
    [[ $status -eq 0 && $(grep -cx 'connect 0' <<<"$output") -eq 6 ]]
    finish server
}

@test "a program that had no fd left for a look is helped again a second later" {
    ports 50
    serve "$PORT" quiet loop:100 accept readall close end
    run preload auto python3 -c '
import resource, socket, sys, time
def connect():
    with socket.socket() as s:
        if limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, (s.fileno() + 1, most))
        try:
            s.connect(("127.0.0.1", int(sys.argv[1])))
        except OSError as error:
            return error.errno
    return 0
limit, most = False, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
print("free:", {connect() for i in range(50)})
limit = True
print("no fd:", connect())
limit = resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
time.sleep(1.1)
print("later:", {connect() for i in range(50)})' "$PORT"
    echo "$output"
    [[ $output == "free: {0}"$'\n'"no fd: 99"$'\n'"later: {0}" ]]
    finish server
}

@test "other programs share the ports that were taken over, towards other peers" {
    ports 200
    under auto n=2000
    [[ $failed -eq 0 ]]
    plain n=150
    [[ $failed -eq 0 && $whole -eq 150 ]]
}

@test "connect() to an address in a page of the heap that was protected: EFAULT" {
    compile protected <<-'C'
	#include "host.h"
	#include <sys/mman.h>
	static int result(const void *address)
	{
	    int fd = socket(AF_INET, SOCK_STREAM, 0);
	    int r = connect(fd, address, sizeof(struct sockaddr_in)) == 0 ? 0 : errno;
	    close(fd);
	    return r;
	}
	int main(void)
	{
	    struct sockaddr_in *page;
	    REQUIRE(posix_memalign((void **)&page, 4096, 8192) == 0);
	    *page = (struct sockaddr_in){.sin_family = AF_INET,
	                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	                                 .sin_port = htons((unsigned short)atoi(getenv("TEST_PORT")))};
	    for (int i = 0; i < 60; i++)
	        REQUIRE(result(page) == 0);
	    REQUIRE(mprotect(page, 4096, PROT_NONE) == 0);
	    for (int i = 0; i < 10; i++)
	        REQUIRE(result(page) == EFAULT);
	    REQUIRE(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
	    REQUIRE(result(page) == 0);
	    return 0;
	}
	C
    ports 50
    serve "$PORT" loop:61 accept readall close end
    run beside "$LIB" auto "$BATS_TEST_TMPDIR/protected"
    echo "$output"
    [[ $status -eq 0 && $(json recycled "$LOG" | grep -c true) -ge 11 ]]
}
