#!/usr/bin/env bats
# curl, one connection per request.

load ../lib/helper
load ../lib/runs
load ../lib/daemons

URL=http://@HOST:@PORT/

@test "curl: it closes first" {
    need curl
    serve_nginx
    row 'curl' curl each curl -sS "$URL"
}

@test "curl, Connection: close: nginx closes first" {
    need curl
    serve_nginx
    row 'curl, Connection: close' curl each curl -sS -H 'Connection: close' "$URL"
}

@test "curl, HTTP/1.0: nginx closes first" {
    need curl
    serve_nginx
    row 'curl, HTTP/1.0' curl each curl -sS --http1.0 "$URL"
}

@test "curl, Connection: close: the server closes last" {
    need curl
    serve_python eof
    row 'curl, Connection: close; server last' curl each curl -sS -H 'Connection: close' "$URL"
}
