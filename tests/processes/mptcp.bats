# MPTCP is left alone (rule 3 of the design), whoever asked for it: also where a library behind ours
# does, as mptcpize(8) has one, and the program's own socket() asked for TCP.
load ../lib/helper
load ../lib/host

prepare() {
    "$ACT" socket:mptcp close >/dev/null || skip 'this kernel has no MPTCP'
}

# closes POLICY PRELOAD...: a client that closes with more sent than the server has read; what it reads.
closes() {
    local policy=$1
    shift
    new_port
    serve_with "socket:mptcp listen:$PORT" rcvbuf:8192 accept sleep:100 readall close
    run beside "$(IFS=: && echo "$*")" "$policy" "$ACT" "connect:$PORT" write:300000 close
    echo "$policy, $*: $output"
    [[ $status -eq 0 ]]
    run finish server
    echo "$output"
}

# serve_with LISTENER STEP...
serve_with() {
    local listener
    read -ra listener <<<"$1"
    start server act "${listener[@]}" "${@:2}"
    wait_output server '^listen'
}

@test "a socket that a library behind ours has made MPTCP: every byte, then EOF, under each policy" {
    local policy
    compile mptcp.so <<-'C'
	#include "host.h"
	int socket(int domain, int type, int protocol)
	{
	    int (*next)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	    return next(domain, type, domain == AF_INET && protocol == 0 ? 262 : protocol);
	}
	C
    closes abort "$LIB" # it is TCP: the test would see it
    [[ $output == *ECONNRESET* ]]
    for policy in off auto fin-rst last-read drain:2000 drain-eof:2000 delay:10 abort linger:1; do
        closes "$policy" "$LIB" "$BATS_TEST_TMPDIR/mptcp.so"
        [[ $output == *'readall 300000 EOF'* ]]
    done
}
