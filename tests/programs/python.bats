#!/usr/bin/env bats
# Python's ways to use a connection and to leave it.

load ../lib/helper
load ../lib/runs
load ../lib/daemons

# python_row WAY NAME: the row of client.py's way, against the server that runs.
python_row() {
    need python3
    row "Python $2" python3 once python3 "$PUBLIC/client.py" "$1" @HOST @PORT @COUNT
}

@test "urllib: nginx closes first" {
    serve_nginx
    python_row urllib 'urllib'
}

@test "urllib: the server closes last" {
    serve_python eof
    python_row urllib 'urllib; server last'
}

@test "socket, closed after the reply" {
    serve_python eof
    python_row raw socket
}

@test "socket, closed when the server may close, too" {
    serve_python now
    python_row raw 'socket; both close'
}

@test "socket, closed after the server" {
    serve_python now
    python_row eof 'socket; server first'
}

@test "socket, shutdown(SHUT_RDWR) and close()" {
    serve_python eof
    python_row both 'shutdown(SHUT_RDWR), close()'
}

@test "makefile()" {
    serve_python eof
    python_row makefile 'makefile()'
}

@test "asyncio" {
    serve_python eof
    python_row asyncio asyncio
}

@test "sockets left open at os._exit()" {
    serve_python eof
    python_row exit 'os._exit()'
}

@test "sockets left open at SIGKILL" {
    serve_python eof
    python_row kill SIGKILL
}

@test "socket used by a forked child" {
    serve_python eof
    python_row fork 'os.fork()'
}
