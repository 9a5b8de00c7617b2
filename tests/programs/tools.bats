#!/usr/bin/env bats
# C programs: stdio, a raw close, netcat, openssl.

load ../lib/helper
load ../lib/runs
load ../lib/daemons

@test "stdio: fdopen, fprintf, fgets, fclose" {
    serve_python eof
    row 'C stdio' act once "$PUBLIC/act" loop:@COUNT connect:@HOST:@PORT fdopen:r+ fprintf:6 fflush \
        fgets:100 fclose end
}

@test "stdio, closed after the server" {
    serve_python now
    row 'C stdio; server first' act once "$PUBLIC/act" loop:@COUNT connect:@HOST:@PORT fdopen:r+ fprintf:6 \
        fflush fgets:100 fgets:100 fclose end
}

@test "syscall(SYS_close)" {
    serve_python eof
    row 'C syscall(SYS_close)' act once "$PUBLIC/act" loop:@COUNT connect:@HOST:@PORT write:6 read:6 \
        close-number end
}

@test "a system call that is not libc's" {
    serve_python eof
    row 'C raw close' act once "$PUBLIC/act" loop:@COUNT connect:@HOST:@PORT write:6 read:6 close-raw end
}

@test "a close by io_uring" {
    act open:/dev/null close-uring | grep -q '^close-uring 0' || skip 'the kernel forbids io_uring'
    serve_python eof
    row 'C io_uring' act once "$PUBLIC/act" loop:@COUNT connect:@HOST:@PORT write:6 read:6 close-uring end
}

@test "nc -N" {
    need nc.openbsd
    serve_python eof
    INPUT=$'hello?\n' row 'nc -N' nc each nc.openbsd -N @HOST @PORT
}

@test "openssl s_client: it closes first" {
    need openssl
    serve_nginx tls
    row 'openssl s_client' openssl each openssl s_client -brief -connect @HOST:@PORT
}

@test "a program of AddressSanitizer's, with its runtime before the library" {
    gcc -fsanitize=address -O1 -o "$BATS_TEST_TMPDIR/client" tests/programs/client.c
    # shellcheck disable=SC2034 # for use_arm
    FIRST=$(realpath "$(gcc -print-file-name=libasan.so)")
    serve_python eof
    row 'C, AddressSanitizer' act once "$BATS_TEST_TMPDIR/client" @HOST @PORT @COUNT
}
