#!/usr/bin/env bats
# Servers under the library, which close first; their clients are plain.

load ../lib/helper
load ../lib/runs
load ../lib/daemons

@test "nginx" {
    need curl
    SERVER=serve_nginx row 'nginx' nginx each curl -sS -H 'Connection: close' http://@HOST:@PORT/
}

@test "Python's ForkingTCPServer" {
    serve_forking() { serve_python fork; }
    SERVER=serve_forking row 'Python ForkingTCPServer' python3 once \
        python3 "$PUBLIC/client.py" eof @HOST @PORT @COUNT
}
