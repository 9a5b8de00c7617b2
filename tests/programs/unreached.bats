#!/usr/bin/env bats
# Programs that a preload does not reach, supervised.
# shellcheck disable=SC2034,SC2154 # what row uses, and what it sets

load ../lib/helper
load ../lib/runs
load ../lib/daemons

ARMS=(none supervise:auto supervise:fin-rst user:supervise:auto user:supervise:fin-rst)

# compiled CC...: the client, linked statically; prints its path.
compiled() {
    "$@" -O2 -static -o "$BATS_TEST_TMPDIR/client" tests/programs/client.c
    echo "$BATS_TEST_TMPDIR/client"
}

@test "static C" {
    local client
    client=$(compiled gcc)
    serve_python eof
    row 'C static' act once "$client" @HOST @PORT @COUNT
}

@test "static C of musl" {
    need musl-gcc
    local client
    client=$(compiled musl-gcc)
    serve_python eof
    row 'C static, musl' musl once "$client" @HOST @PORT @COUNT
}

# go_client: compiles it, once for both tests, and sets CLIENT.
go_client() {
    need go
    CLIENT=$PUBLIC/go-client
    [[ -x $CLIENT ]] || CGO_ENABLED=0 go build -o "$CLIENT" tests/programs/client.go
    serve_python eof
}

@test "Go" {
    go_client
    row 'Go static' go once "$CLIENT" @HOST @PORT @COUNT
}

# delivers POLICY COUNT: as an ordinary user, each request has its reply.
delivers() {
    run setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all \
        "$PUBLIC/notimewait" --by supervise -p "$1" "$CLIENT" 127.0.0.1 "$PORT" "$2"
    [[ $status -eq 0 && $(sort <<<"$output" | uniq -c) =~ ^\ *$2\ hello$ ]] && return
    tail -n 3 <<<"$output"
    return 1
}

@test "Go as an ordinary user: no TIME_WAIT under fin-rst, 5,000 connections through 1,000 ports under auto" {
    local range=/proc/sys/net/ipv4/ip_local_port_range before
    go_client
    delivers fin-rst 300
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 0 ]]
    before=$(<$range)
    echo '20000 20999' >$range
    delivers auto 5000
    echo "$before" >$range
}

# as_other CMD...: once, by a user who is not its owner.
as_other() {
    [[ $arm == user:* ]] || set -- "${as_nobody[@]}" "$@"
    once "$@"
}

@test "a setuid program: root's supervision reaches it, an ordinary user's would take its rights" {
    [[ -n $OTHER_USER ]] || skip 'there is no other user here'
    local client=$PUBLIC/setuid
    gcc -O2 -o "$client" tests/programs/client.c
    cp "$(command -v id)" "$PUBLIC/id"
    chmod u+s "$client" "$PUBLIC/id"
    [[ $("${as_nobody[@]}" "$PUBLIC/id" -u) -eq 0 ]] || skip 'setuid does nothing here'
    ARMS=(none auto fin-rst supervise:auto supervise:fin-rst user:fin-rst)
    serve_python eof
    row 'C, setuid' act as_other "$client" @HOST @PORT @COUNT
    run "${as_nobody[@]}" "$PUBLIC/notimewait" --by supervise "$PUBLIC/id" -u
    [[ $status -eq 2 && $output == *no_new_privs* ]]
    run "$PUBLIC/notimewait" --by supervise "${as_nobody[@]}" "$PUBLIC/id" -u
    [[ $status -eq 0 && $output == 0 ]]
    run "${as_nobody[@]}" "$PUBLIC/notimewait" --by supervise sh -c "$PUBLIC/id -u"
    [[ $status -eq 0 && $output == 65534 ]]
}

# Of glibc's own, which calls its connect() itself. resolv.conf is the row's.
@test "fact 22: names over TCP (use-vc)" {
    unshare -m true || skip 'this user may not mount'
    ARMS=(none auto fin-rst supervise:fin-rst both:fin-rst user:fin-rst user:supervise:fin-rst)
    PORT=53
    serve_python dns
    mounted "echo nameserver @HOST >$BATS_TEST_TMPDIR/resolv.conf
        mount --bind $BATS_TEST_TMPDIR/resolv.conf /etc/resolv.conf"
    row 'glibc names over TCP' act once env RES_OPTIONS=use-vc python3 -c '
import socket, sys
for i in range(int(sys.argv[1])):
    print(socket.gethostbyname("name%d.test" % i))' @COUNT
    grep -qx 192.0.2.1 "$BATS_TEST_TMPDIR/output.auto"
}
