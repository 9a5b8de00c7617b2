/*
 * calls: what the scripted tools share: an address of any family, and one libc call made one
 * way.
 */
#ifndef CALLS_H
#define CALLS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } u;
    socklen_t size;
};

/* What a program built with -D_FORTIFY_SOURCE calls in place of read, recv and recvfrom. */
ssize_t fortified_read(int fd, void *buf, size_t n, size_t room) __asm__("__read_chk");
ssize_t fortified_recv(int fd, void *buf, size_t n, size_t room,
                       int flags) __asm__("__recv_chk");
ssize_t fortified_recvfrom(int fd, void *buf, size_t n, size_t room, int flags,
                           struct sockaddr *from, socklen_t *size) __asm__("__recvfrom_chk");

static ssize_t in_read(int fd, void *buf, size_t n)
{
    return read(fd, buf, n);
}

static ssize_t in_readv(int fd, void *buf, size_t n)
{
    struct iovec half[2] = {{buf, n / 2}, {(char *)buf + n / 2, n - n / 2}};

    return readv(fd, half, 2);
}

static ssize_t in_preadv2(int fd, void *buf, size_t n)
{
    struct iovec part = {buf, n};

    return preadv2(fd, &part, 1, -1, 0);
}

static ssize_t in_recv(int fd, void *buf, size_t n)
{
    return recv(fd, buf, n, 0);
}

static ssize_t in_recv_peek(int fd, void *buf, size_t n)
{
    return recv(fd, buf, n, MSG_PEEK);
}

static ssize_t in_recv_dontwait(int fd, void *buf, size_t n)
{
    return recv(fd, buf, n, MSG_DONTWAIT);
}

static ssize_t in_recv_trunc(int fd, void *buf, size_t n)
{
    (void)buf;
    return recv(fd, NULL, n, MSG_TRUNC);
}

static ssize_t in_recv_oob(int fd, void *buf, size_t n)
{
    return recv(fd, buf, n, MSG_OOB);
}

static ssize_t in_read_chk(int fd, void *buf, size_t n)
{
    return fortified_read(fd, buf, n, n);
}

static ssize_t in_recv_chk(int fd, void *buf, size_t n)
{
    return fortified_recv(fd, buf, n, n, 0);
}

static ssize_t out_write(int fd, void *buf, size_t n)
{
    return write(fd, buf, n);
}

static ssize_t out_writev(int fd, void *buf, size_t n)
{
    struct iovec half[2] = {{buf, n / 2}, {(char *)buf + n / 2, n - n / 2}};

    return writev(fd, half, 2);
}

static ssize_t out_pwritev2(int fd, void *buf, size_t n)
{
    struct iovec part = {buf, n};

    return pwritev2(fd, &part, 1, -1, 0);
}

static ssize_t out_send(int fd, void *buf, size_t n)
{
    return send(fd, buf, n, 0);
}

static ssize_t out_sendto(int fd, void *buf, size_t n)
{
    return sendto(fd, buf, n, 0, NULL, 0);
}

#endif
