#!/usr/bin/env bats
# `notimewait attach` to real servers that run, and close first: nothing is left in TIME_WAIT once
# their sockets are armed, as much as before once they are set back.
# shellcheck disable=SC2153 # BUILD is the helper's

load ../lib/helper
load ../lib/runs
load ../lib/daemons

START=$BUILD/notimewait
COUNT=200

prepare() {
    be_plain
    share_cpu # each TIME_WAIT is counted
    rounds=1
}

# next_address: sets address, to one that no client of the test has used.
next_address() {
    rounds=$((rounds + 1))
    address=127.0.0.$rounds
}

# listener: the pid of the process that listens on PORT; where there are several, the first one's.
listener() {
    ss -Htlnp "sport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -n | head -n 1
}

# left_there: the server's TIME_WAIT entries of this address' connections; those of earlier ones end
# meanwhile, where the machine is slow.
left_there() {
    ss -Htn state time-wait "sport = :$PORT and dst $address" | wc -l
}

# leave LEFT: so many entries are left at the server by COUNT connections, which it closes first.
leave() {
    local left answer address
    next_address
    answer=$(python3 tests/programs/closes.py "$PORT" "$COUNT" "$address")
    settle "$PORT" 10000
    left=$(left_there)
    echo "$answer, $left left"
    [[ $answer == "whole $COUNT" && $left -eq $1 ]]
}

# attaches OPTION...: attach, whose lines are in $output.
attaches() {
    run "$START" attach "$@" "$(listener)"
    echo "$output"
    [[ $status -eq 0 ]]
}

# attached_and_back LEFT OPTION...: before, while it is attached (LEFT remain), and after.
attached_and_back() {
    local left=$1 listeners
    shift
    leave "$COUNT"
    attaches "$@"
    listeners=$(grep -c '^listener .*: fin-rst$' <<<"$output")
    [[ $listeners -gt 0 ]]
    leave "$left"
    attaches -p off "$@"
    [[ $(grep -c '^listener .*: off: as the kernel does by itself$' <<<"$output") -eq $listeners ]]
    leave "$COUNT"
}

# serve_workers [WORD]: nginx with three workers, and WORD at its listen.
serve_workers() {
    local dir=$BATS_TEST_TMPDIR
    need nginx
    cat >"$dir/nginx.conf" <<END
daemon off; user root; worker_processes 3; pid $dir/nginx.pid; error_log $dir/nginx.log info;
events { }
http {
    access_log off; client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir;
    uwsgi_temp_path $dir; scgi_temp_path $dir; keepalive_requests 1000;
    server { listen 127.0.0.1:$PORT ${1-}; location / { return 200 "hello\n"; } }
}
END
    start_server nginx nginx -e "$dir/nginx.log" -c "$dir/nginx.conf"
    until_true 20000 listening
    until_true 20000 started_workers "$dir/nginx.log"
}

started_workers() {
    [[ $(grep -c 'start worker process ' "$1") -eq 3 ]]
}

# open_ones LEFT OPTION...: 20 connections that are open when nginx is attached; LEFT remain.
open_ones() {
    local expected=$1 left address
    shift
    next_address
    rm -f "$BATS_TEST_TMPDIR/go"
    start client python3 tests/programs/closes.py "$PORT" 20 "$address" "$BATS_TEST_TMPDIR/go"
    wait_output client '^open'
    attaches --tree "$@"
    [[ $(grep -c '^connection .*: fin-rst$' <<<"$output") -eq $((20 - expected)) ]]
    touch "$BATS_TEST_TMPDIR/go"
    run finish client
    settle "$PORT"
    left=$(left_there)
    echo "$output, $left left"
    [[ $output == *'whole 20' && $left -eq $expected ]]
    attaches -p off --tree
}

@test "nginx: master and workers share a socket, which the master has" {
    serve_workers
    attached_and_back 0
    attached_and_back 0 --tree
}

@test "nginx, reuseport: each worker has a socket of its own" {
    serve_workers reuseport
    attached_and_back 0 --tree
    attaches --tree
    [[ $(grep -c '^listener' <<<"$output") -eq 3 ]]
}

@test "nginx: connections that are open, only with --connections" {
    serve_workers
    open_ones 20
    open_ones 0 --connections
}

@test "Go, net/http" {
    need go
    cat >"$BATS_TEST_TMPDIR/server.go" <<'END'
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") })
	fmt.Println(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
END
    CGO_ENABLED=0 go build -o "$BATS_TEST_TMPDIR/server" "$BATS_TEST_TMPDIR/server.go"
    start_server go "$BATS_TEST_TMPDIR/server" "$PORT"
    until_true 20000 listening
    attached_and_back 0
}

@test "a static server in C" {
    gcc -O2 -static -D_GNU_SOURCE -o "$BATS_TEST_TMPDIR/static" tests/programs/server.c
    start_server act "$BATS_TEST_TMPDIR/static" "$PORT"
    until_true 20000 listening
    attached_and_back 0
}

@test "Python's http.server" {
    echo hello >"$BATS_TEST_TMPDIR/index.html"
    start_server python3 python3 -m http.server --bind 127.0.0.1 --directory "$BATS_TEST_TMPDIR" "$PORT"
    until_true 20000 listening
    attached_and_back 0
}

# It half-closes and waits for the client's end (ap_lingering_close()), which makes the entry.
@test "Apache httpd: its half-close leaves TIME_WAIT all the same" {
    all_only
    need apache2
    serve_apache
    attached_and_back "$COUNT" --tree
}
