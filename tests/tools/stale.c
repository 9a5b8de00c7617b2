/*
 * stale: `stale PORT HOW` closes a connection by the raw system call, so that a preloaded
 * library does not see it, puts another socket behind the same fd, unseen as well, and then
 * uses that by libc's calls. HOW is one of the table's names.
 */
#include "raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BYTES = 300000, OWN_LINGER2 = 7 };

static struct sockaddr_in server = {.sin_family = AF_INET};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(2);
}

/* A socket behind `number`, whose connection has been closed, both unseen. */
static void replace(int number)
{
    if (raw_syscall(SYS_close, number) < 0 ||
        raw_syscall(SYS_socket, AF_INET, SOCK_STREAM, 0) != number)
        die("replace");
}

static void connect_unseen(int fd)
{
    if (raw_syscall(SYS_connect, fd, &server, sizeof server) < 0)
        die("connect");
}

static void send_all(int fd)
{
    static char bytes[BYTES];

    for (size_t sent = 0; sent < sizeof bytes;) {
        ssize_t n = write(fd, bytes, sizeof bytes - sent);

        if (n <= 0)
            die("write");
        sent += (size_t)n;
    }
}

/* --- what is done with it --- */

static int end_close(int fd)
{
    return close(fd);
}

static int end_dup2(int fd)
{
    return dup2(STDERR_FILENO, fd) == fd ? 0 : -1;
}

static int end_dup3(int fd)
{
    return dup3(STDERR_FILENO, fd, O_CLOEXEC) == fd ? 0 : -1;
}

static int end_fclose(int fd)
{
    FILE *stream = fdopen(fd, "w");

    return stream ? fclose(stream) : -1;
}

static int end_freopen(int fd)
{
    FILE *stream = fdopen(fd, "w");

    if (stream)
        stream = freopen("/dev/null", "w", stream);
    return stream ? fclose(stream) : -1;
}

static int end_close_range(int fd)
{
    return close_range((unsigned)fd, (unsigned)fd, 0);
}

static int end_closefrom(int fd)
{
    closefrom(fd);
    return 0;
}

static int end_exit(int fd)
{
    (void)fd;
    exit(0);
}

/* Copies share the entry; none of them may act. */
static int end_copies(int fd)
{
    int copy = dup(fd);

    return close(copy) < 0 ? -1 : close(fd);
}

/* The application's own settings of a socket that nobody armed. */
static int set_options(int fd)
{
    struct linger on = {1, 5}, off = {0, 0};
    int value = OWN_LINGER2;
    socklen_t size = sizeof value;

    (void)raw_syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_LINGER2, &value, sizeof value);
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off) < 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &value, &size) < 0)
        return -1;
    printf("TCP_LINGER2 %d\n", value);
    return close(fd);
}

static int do_nothing(int fd)
{
    (void)fd;
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int fd);
} ways[] =
    {
        {"close", end_close},         {"dup2", end_dup2},
        {"dup3", end_dup3},           {"fclose", end_fclose},
        {"freopen", end_freopen},     {"close_range", end_close_range},
        {"closefrom", end_closefrom}, {"exit", end_exit},
        {"dup", end_copies},          {"setsockopt", set_options},
        {"connect", do_nothing}, /* connected by libc's call, and left open */
};

static int (*find_way(const char *name))(int)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (strcmp(ways[i].name, name) == 0)
            return ways[i].run;
    errno = EINVAL;
    die(name);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fputs("usage: stale PORT HOW\n", stderr);
        return 2;
    }
    int (*way)(int) = find_way(argv[2]);

    server.sin_port = htons((in_port_t)strtol(argv[1], NULL, 10));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0)
        die("connect");
    replace(fd);
    if (way != do_nothing)
        connect_unseen(fd);
    else if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0)
        die("connect");
    send_all(fd);
    if (way(fd) < 0)
        die(argv[2]);
    return 0;
}
