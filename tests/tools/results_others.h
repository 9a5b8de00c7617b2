/* results' other fds: all that is no TCP connection, or not yet one. None of them blocks. */
#ifndef RESULTS_OTHERS_H
#define RESULTS_OTHERS_H

#include "results_connections.h"

static int make_closed(void)
{
    return NO_FD;
}

static int make_minus_1(void)
{
    return -1;
}

static int make_int_max(void)
{
    return INT_MAX;
}

/* One end; the other is left open for the next call of clean_other(). */
static int other_end = -1;

static int pipe_end(int which)
{
    int ends[2];

    if (pipe2(ends, O_NONBLOCK) < 0)
        die("pipe");
    other_end = ends[!which];
    return ends[which];
}

static int make_pipe_empty(void)
{
    return pipe_end(0);
}

static int make_pipe_data(void)
{
    int fd = pipe_end(0);

    raw_send(other_end);
    return fd;
}

static int make_pipe_eof(void)
{
    int fd = pipe_end(0);

    raw_close(other_end);
    other_end = -1;
    return fd;
}

static int make_pipe_write(void)
{
    return pipe_end(1);
}

static int make_pipe_broken(void)
{
    int fd = pipe_end(1);

    raw_close(other_end);
    other_end = -1;
    return fd;
}

static int make_file(void)
{
    int fd = memfd_create("results", 0);

    raw_send(fd);
    (void)lseek(fd, 0, SEEK_SET);
    return fd;
}

static int make_directory(void)
{
    return open("/", O_RDONLY | O_DIRECTORY);
}

static int make_null_write(void)
{
    return open("/dev/null", O_WRONLY);
}

static int make_full_device(void)
{
    return open("/dev/full", O_RDWR);
}

static int make_udp(void)
{
    return socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
}

static int make_udp_data(void)
{
    int fd = make_udp();
    struct address at;

    other_end = raw_socket(AF_INET, SOCK_DGRAM);
    struct address peer_at = bind_fd(other_end, AF_INET, -1);

    at = bind_fd(fd, AF_INET, -1);
    if (connect(fd, &peer_at.u.any, peer_at.size) < 0 || raw_connect(other_end, &at) < 0)
        die("udp");
    raw_send(other_end);
    wait_ready(fd, POLLIN);
    return fd;
}

static int unix_end(int type)
{
    int ends[2];

    if (socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, ends) < 0)
        die("socketpair");
    other_end = ends[1];
    return ends[0];
}

static int make_unix(void)
{
    return unix_end(SOCK_STREAM);
}

static int make_unix_data(void)
{
    int fd = unix_end(SOCK_STREAM);

    raw_send(other_end);
    return fd;
}

static int make_unix_broken(void)
{
    int fd = unix_end(SOCK_STREAM);

    raw_close(other_end);
    other_end = -1;
    return fd;
}

static int make_unix_seqpacket(void)
{
    int fd = unix_end(SOCK_SEQPACKET);

    raw_send(other_end);
    return fd;
}

static int make_unix_new(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

static int make_tcp4_new(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

static int make_tcp6_new(void)
{
    return socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

static int make_listener(void)
{
    int fd = make_tcp4_new();

    (void)bind_fd(fd, AF_INET, 1);
    return fd;
}

static int make_connecting(void)
{
    int fd = make_tcp4_new();

    if (connect(fd, &unanswering_at.u.any, unanswering_at.size) == 0 || errno != EINPROGRESS)
        die("unanswered connect");
    return fd;
}

static int make_refused(void)
{
    int fd = make_tcp4_new();

    if (connect(fd, &refusing_at.u.any, refusing_at.size) == 0 || errno != EINPROGRESS)
        die("refused connect");
    wait_ready(fd, POLLOUT);
    return fd;
}

struct other {
    const char *name;
    int (*make)(void);
};

static const struct other others[] = {
    {"closed fd", make_closed},
    {"fd -1", make_minus_1},
    {"fd INT_MAX", make_int_max},
    {"empty pipe", make_pipe_empty},
    {"pipe with data", make_pipe_data},
    {"pipe at EOF", make_pipe_eof},
    {"pipe to write", make_pipe_write},
    {"broken pipe", make_pipe_broken},
    {"file", make_file},
    {"directory", make_directory},
    {"write-only file", make_null_write},
    {"full device", make_full_device},
    {"udp never connected", make_udp},
    {"udp with data", make_udp_data},
    {"unix", make_unix},
    {"unix with data", make_unix_data},
    {"broken unix", make_unix_broken},
    {"unix seqpacket with data", make_unix_seqpacket},
    {"unix never connected", make_unix_new},
    {"tcp4 never connected", make_tcp4_new},
    {"tcp6 never connected", make_tcp6_new},
    {"tcp listener", make_listener},
    {"tcp connecting", make_connecting},
    {"tcp refused", make_refused},
};

static void clean_other(int fd)
{
    if (other_end >= 0)
        raw_close(other_end);
    other_end = -1;
    clean(fd);
}

#endif
