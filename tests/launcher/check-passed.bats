# notimewait check --pid: which connections of a running process pass the library by, and of which
# that is not known.
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper

START=$BUILD/notimewait

# holder: a program "HOW PORT [MODULE]" that connects in this way, and stays.
holder() {
    cat >"$BATS_TEST_TMPDIR/holder.c" <<'END'
#define _GNU_SOURCE
#include "raw.h"
#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static struct sockaddr_in at(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons((unsigned short)port)};
}
int connects(int port, int own)
{
    struct sockaddr_in to = at(port), from = at(own);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (own >= 0 && bind(fd, (void *)&from, sizeof(from)) != 0)
        return -1;
    return connect(fd, (void *)&to, sizeof(to));
}
static int by_raw(int port)
{
    struct sockaddr_in to = at(port);
    int fd = (int)raw_syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
    return (int)raw_syscall(SYS_connect, fd, &to, sizeof(to));
}
static int by_module(int port, const char *module)
{
    void *deep = dlopen(module, RTLD_NOW | RTLD_DEEPBIND);
    int (*its)(int, int) = deep ? (int (*)(int, int))dlsym(deep, "connects") : NULL;
    return its ? its(port, -1) : -1;
}
int main(int argc, char **argv)
{
    int port = argc > 2 ? atoi(argv[2]) : 0;
    int r = strcmp(argv[1], "raw") == 0    ? by_raw(port)
            : strcmp(argv[1], "deep") == 0 ? by_module(port, argv[3])
                                           : connects(port, atoi(argv[1]));
    puts(r == 0 ? "connected" : "failed");
    fflush(stdout);
    return (int)sleep(30);
}
END
    gcc -Itests/tools -o "$BATS_TEST_TMPDIR/holder" "$BATS_TEST_TMPDIR/holder.c"
    gcc -Itests/tools -shared -fPIC -o "$BATS_TEST_TMPDIR/module.so" "$BATS_TEST_TMPDIR/holder.c"
    start other act "listen:$PORT" "wait-file:$BATS_TEST_TMPDIR/go:60000"
    wait_output other '^listen'
}

# looked_at HOW VARIABLE=VALUE...: sets output to check's text, counts to connections, passed_by and
# not_judged.
looked_at() {
    local pid
    start holder env "${@:2}" "$START" "$BATS_TEST_TMPDIR/holder" "$1" "$PORT" "$BATS_TEST_TMPDIR/module.so"
    wait_output holder '^connected'
    pid=$(pid_of holder)
    run "$START" check --pid "$pid"
    counts=$("$START" check --json --pid "$pid" | jq -c '[.connections, .passed_by, .not_judged]')
    kill "$pid"
    echo "$* $counts $output"
}

@test "what shows the library's hand is not passed by; nor is what shows none, where none would show" {
    holder
    looked_at -1
    [[ $counts == '[1,0,0]' && ${lines[0]} == *': the library is loaded'* && ${lines[0]} != *'connections pass'* ]]
    [[ $output == *'1 open, of which 0 pass it by'* && $output != *'not judged'* ]]
    local variable
    for variable in NOTIMEWAIT_RECYCLE=off NOTIMEWAIT_POLICY=off 'NOTIMEWAIT_RULES=role=client => off' \
        "NOTIMEWAIT_RULES=port=$PORT peer=127.0.0.0/8 => off" 'NOTIMEWAIT_RULES=program=hold* => off' \
        'NOTIMEWAIT_POLICY=off|auto' NOTIMEWAIT_POLICY=last-read; do
        looked_at -1 "$variable" NOTIMEWAIT_SEED=1
        [[ ${lines[0]} != *'connections pass'* ]]
        [[ $variable == *=last-read || ($counts == '[1,0,1]' && $output == *'  not judged        1: they bound'*) ||
            ($variable == *'|'* && $counts == '[1,0,0]') ]]
    done
}

@test "a client that bound its own port, or had the kernel choose one by bind(), is not judged" {
    local own
    holder
    for own in 0 "$(port)" 1023 40404; do
        looked_at "$own"
        [[ $counts == '[1,0,1]' && ${lines[0]} != *'connections pass'* ]]
    done
}

@test "a connection by raw system calls, or of an object behind RTLD_DEEPBIND, is passed by" {
    local how
    holder
    for how in raw deep; do
        looked_at "$how"
        [[ $counts == '[1,1,0]' && ${lines[0]} == 'works in part: '*': the library is loaded, and connections pass it by' ]]
        [[ $output == *'1 open, of which 1 pass it by'* ]]
        looked_at "$how" NOTIMEWAIT_POLICY=fin-rst NOTIMEWAIT_RECYCLE=off
        [[ $counts == '[1,1,0]' ]]
        looked_at "$how" "NOTIMEWAIT_RULES=port=$((PORT + 1)) => off; program=other => off; role=server => off"
        [[ $counts == '[1,1,0]' ]]
        looked_at "$how" NOTIMEWAIT_RECYCLE=off
        [[ $counts == '[1,0,1]' ]]
    done
}
