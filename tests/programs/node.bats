#!/usr/bin/env bats
# Node, which half-closes before it closes, by syscall(SYS_close).

load ../lib/helper
load ../lib/runs
load ../lib/daemons

node_row() {
    need node
    row "Node $2" node once node "$PUBLIC/client.js" "$1" @HOST @PORT @COUNT
}

@test "http: nginx closes first" {
    serve_nginx
    node_row http 'http'
}

@test "http: the server closes last" {
    serve_python eof
    node_row http 'http; server last'
}

@test "destroy()" {
    serve_python eof
    node_row destroy 'socket.destroy()'
}

@test "destroy(), and the server closes at the same moment" {
    serve_python now
    node_row destroy 'socket.destroy(); both close'
}

@test "end()" {
    serve_python eof
    node_row end 'socket.end()'
}

@test "the server closes first" {
    serve_python now
    node_row eof 'socket; server first'
}
