/*
 * cost: calls whose instructions callgrind counts, so that a preload's share can be told.
 *
 * Each call is made 100 and 300 times on one kind of fd; a dump named "CALL KIND TIMES" follows
 * each time. Half of the difference, with the preload minus without, is what it adds to 100
 * calls: what a first call costs is in neither (tests/cost/budget.bats). What else a loop needs
 * is done by raw system calls, which no preload sees, or outside what is counted.
 */
#include "../tools/raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

enum { FEW = 100, MANY = 300 };

static struct sockaddr_in server;
static int listener;
static int fds[MANY], peers[MANY], copies[MANY]; /* -1: none */
static FILE *streams[MANY];

static void require(int done, const char *what)
{
    if (done)
        return;
    (void)fprintf(stderr, "cost: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- kinds of fds: fds[i], and the other end in peers[i] --- */

static void make_file(int i)
{
    fds[i] = open("/dev/zero", O_RDWR | O_CLOEXEC);
}

static void make_pipe(int i)
{
    int ends[2];
    require(pipe(ends) == 0, "pipe");
    fds[i] = ends[0];
    peers[i] = ends[1];
}

static void make_unix(int i)
{
    int ends[2];
    require(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    fds[i] = ends[0];
    peers[i] = ends[1];
}

static void make_udp(int i)
{
    fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
}

static void make_tcp(int i)
{
    fds[i] = socket(AF_INET, SOCK_STREAM, 0);
    require(connect(fds[i], (struct sockaddr *)&server, sizeof server) == 0, "connect");
    peers[i] = accept(listener, NULL, NULL);
    require(peers[i] >= 0, "accept");
}

static void make_socket(int i)
{
    fds[i] = socket(AF_INET, SOCK_STREAM, 0);
}

/* --- calls --- */

static char byte;

static void call_read(int i)
{
    (void)i;
    (void)!raw_syscall(SYS_write, peers[0], "x", 1);
    require(read(fds[0], &byte, 1) == 1, "read");
}

static void call_recv(int i)
{
    (void)i;
    (void)!raw_syscall(SYS_write, peers[0], "x", 1);
    require(recv(fds[0], &byte, 1, 0) == 1, "recv");
}

static void call_write(int i)
{
    (void)i;
    require(write(fds[0], "x", 1) == 1, "write");
    (void)!raw_syscall(SYS_read, peers[0], &byte, 1);
}

static void call_send(int i)
{
    (void)i;
    require(send(fds[0], "x", 1, 0) == 1, "send");
    (void)!raw_syscall(SYS_read, peers[0], &byte, 1);
}

static void call_close(int i)
{
    require(close(fds[i]) == 0, "close");
    fds[i] = -1;
}

static void call_fclose(int i)
{
    require(fclose(streams[i]) == 0, "fclose");
    fds[i] = -1;
}

static void call_connect(int i)
{
    require(connect(fds[i], (struct sockaddr *)&server, sizeof server) == 0, "connect");
    peers[i] = (int)raw_syscall(SYS_accept4, listener, 0, 0, 0);
}

static void call_dup(int i)
{
    copies[i] = dup(fds[0]);
    require(copies[i] >= 0, "dup");
}

/* --- which calls, on what --- */

static const struct cost {
    const char *call, *kind;
    void (*make)(int i);
    void (*run)(int i);
} costs[] = {
    {"read", "file", make_file, call_read},   {"read", "pipe", make_pipe, call_read},
    {"read", "tcp", make_tcp, call_read},     {"write", "file", make_file, call_write},
    {"write", "unix", make_unix, call_write}, {"write", "tcp", make_tcp, call_write},
    {"recv", "unix", make_unix, call_recv},   {"recv", "tcp", make_tcp, call_recv},
    {"send", "unix", make_unix, call_send},   {"send", "tcp", make_tcp, call_send},
    {"close", "file", make_file, call_close}, {"close", "pipe", make_pipe, call_close},
    {"close", "unix", make_unix, call_close}, {"close", "udp", make_udp, call_close},
    {"close", "tcp", make_tcp, call_close},   {"dup", "file", make_file, call_dup},
    {"dup", "tcp", make_tcp, call_dup},       {"fclose", "file", make_file, call_fclose},
    {"fclose", "tcp", make_tcp, call_fclose}, {"connect", "tcp", make_socket, call_connect},
};

static void make(const struct cost *cost, int times)
{
    for (int i = 0; i < times; i++) {
        fds[i] = peers[i] = copies[i] = -1;
        cost->make(i);
        require(fds[i] >= 0, cost->kind);
        streams[i] = cost->run == call_fclose ? fdopen(fds[i], "r+") : NULL;
    }
}

static void unmake(int times)
{
    for (int i = 0; i < times; i++) {
        close(fds[i]);
        close(copies[i]);
        close(peers[i]);
    }
}

static void count(const struct cost *cost, int times)
{
    char name[64];
    make(cost, times);
    CALLGRIND_ZERO_STATS;
    for (int i = 0; i < times; i++)
        cost->run(i);
    (void)snprintf(name, sizeof name, "%s %s %d", cost->call, cost->kind, times);
    CALLGRIND_DUMP_STATS_AT(name);
    unmake(times);
}

static void listen_anywhere(void)
{
    socklen_t size = sizeof server;
    server.sin_family = AF_INET;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    require(bind(listener, (struct sockaddr *)&server, size) == 0, "bind");
    require(listen(listener, MANY) == 0, "listen");
    require(getsockname(listener, (struct sockaddr *)&server, &size) == 0, "getsockname");
}

int main(void)
{
    listen_anywhere();
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
        count(&costs[i], MANY); /* all that is done once has been done */
        count(&costs[i], FEW);
        count(&costs[i], MANY);
    }
    return 0;
}
