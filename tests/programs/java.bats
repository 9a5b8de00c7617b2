#!/usr/bin/env bats
# Java, which half-closes before it closes.

load ../lib/helper
load ../lib/runs
load ../lib/daemons

# The compiler is a module of the JRE.
setup_file() {
    begin_file
    need java
    java -m jdk.compiler/com.sun.tools.javac.Main -d "$BATS_FILE_TMPDIR" tests/programs/Client.java
}

java_row() {
    row "Java $2" java once java -cp "$BATS_FILE_TMPDIR" Client "$1" @HOST @PORT @COUNT
}

@test "HttpURLConnection: nginx closes first" {
    serve_nginx
    java_row http 'HttpURLConnection'
}

@test "HttpURLConnection: the server closes last" {
    serve_python eof
    java_row http 'HttpURLConnection; server last'
}

@test "Socket.close()" {
    serve_python eof
    java_row socket 'Socket.close()'
}

@test "Socket.close(), and the server closes at the same moment" {
    serve_python now
    java_row socket 'Socket.close(); both close'
}

@test "Socket.close() after the server's" {
    serve_python now
    java_row eof 'Socket.close(); server first'
}

@test "shutdownOutput(), the server's end, close()" {
    serve_python eof
    java_row half 'shutdownOutput()'
}

@test "SocketChannel" {
    serve_python eof
    java_row channel 'SocketChannel.close()'
}
