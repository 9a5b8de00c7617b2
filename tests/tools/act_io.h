/* act's steps that move bytes: one transfer function per libc call, and loops over read/write.
 */
#ifndef ACT_IO_H
#define ACT_IO_H

#include "act.h"
#include "calls.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

/* --- one call in --- */

static ssize_t in_read_raw(int fd, void *buf, size_t n)
{
    return raw_syscall(SYS_read, fd, buf, n);
}

static ssize_t in_recvfrom(int fd, void *buf, size_t n)
{
    return recvfrom(fd, buf, n, 0, NULL, NULL);
}

static ssize_t receive_message(int fd, void *buf, size_t n, int flags)
{
    struct iovec part = {buf, n};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    return recvmsg(fd, &message, flags);
}

static ssize_t in_recvmsg(int fd, void *buf, size_t n)
{
    return receive_message(fd, buf, n, 0);
}

static ssize_t in_recvmsg_peek(int fd, void *buf, size_t n)
{
    return receive_message(fd, buf, n, MSG_PEEK);
}

static ssize_t in_recv_errqueue(int fd, void *buf, size_t n)
{
    return receive_message(fd, buf, n, MSG_ERRQUEUE);
}

static ssize_t in_recvmmsg(int fd, void *buf, size_t n)
{
    struct iovec part = {buf, n};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
    int count = recvmmsg(fd, &message, 1, 0, NULL);

    return count < 1 ? count : (ssize_t)message.msg_len;
}

static ssize_t in_recvfrom_chk(int fd, void *buf, size_t n)
{
    return fortified_recvfrom(fd, buf, n, n, 0, NULL, NULL);
}

static ssize_t in_splice(int fd, void *buf, size_t n)
{
    int ends[2];

    (void)buf;
    if (pipe(ends) < 0)
        return -1;
    ssize_t moved = splice(fd, NULL, ends[1], NULL, n, 0);

    (void)raw_syscall(SYS_close, ends[0]);
    (void)raw_syscall(SYS_close, ends[1]);
    return moved;
}

/* --- one call out --- */

static ssize_t out_write_raw(int fd, void *buf, size_t n)
{
    return raw_syscall(SYS_write, fd, buf, n);
}

static ssize_t out_oob(int fd, void *buf, size_t n)
{
    return send(fd, buf, n, MSG_OOB);
}

static ssize_t out_sendmsg(int fd, void *buf, size_t n)
{
    struct iovec part = {buf, n};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    return sendmsg(fd, &message, 0);
}

static ssize_t out_sendmmsg(int fd, void *buf, size_t n)
{
    struct iovec part = {buf, n};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
    int count = sendmmsg(fd, &message, 1, 0);

    return count < 1 ? count : (ssize_t)message.msg_len;
}

static ssize_t out_dprintf(int fd, void *buf, size_t n)
{
    return dprintf(fd, "%.*s", (int)n, (char *)buf);
}

/* A file that holds n bytes of buf, at its start. */
static int file_of(const void *buf, size_t n)
{
    int file = memfd_create("act", MFD_CLOEXEC);

    if (file < 0 || raw_syscall(SYS_write, file, buf, n) != (long)n ||
        lseek(file, 0, SEEK_SET) < 0)
        die("no memory file");
    return file;
}

static ssize_t out_sendfile(int fd, void *buf, size_t n)
{
    int file = file_of(buf, n);
    ssize_t sent = sendfile(fd, file, NULL, n);

    (void)raw_syscall(SYS_close, file);
    return sent;
}

static ssize_t out_sendfile64(int fd, void *buf, size_t n)
{
    int file = file_of(buf, n);
    ssize_t sent = sendfile64(fd, file, NULL, n);

    (void)raw_syscall(SYS_close, file);
    return sent;
}

static ssize_t out_splice(int fd, void *buf, size_t n)
{
    int ends[2];

    if (pipe(ends) < 0 || raw_syscall(SYS_write, ends[1], buf, n) < 0)
        return -1;
    (void)raw_syscall(SYS_close, ends[1]);
    ssize_t moved = splice(ends[0], NULL, fd, NULL, n, 0);

    (void)raw_syscall(SYS_close, ends[0]);
    return moved;
}

/* --- steps --- */

/* n bytes of printable pattern; the caller frees. */
static char *pattern(size_t n)
{
    char *buf = malloc(n + 1);

    if (!buf)
        die("no memory");
    for (size_t i = 0; i < n; i++)
        buf[i] = (char)('a' + i % 26);
    buf[n] = '\0';
    return buf;
}

static void step_transfer(struct act *a, const struct step *s)
{
    size_t n = (size_t)number(s, 0);
    char *buf = pattern(n);

    errno = 0;
    report(a, s, s->verb->call(*slot(a, s), buf, n));
    free(buf);
}

/*
 * Calls until `total` bytes have moved (0: no limit), the end or an error; waits where the
 * socket does not block. Pauses before each call. errno tells what ended it, 0: the total or
 * EOF.
 */
static long move(int fd, transfer *call, size_t piece, long total, long pause_ms)
{
    char *buf = pattern(piece);
    struct pollfd ready = {.fd = fd, .events = call == out_write ? POLLOUT : POLLIN};
    long done = 0;

    while (total == 0 || done < total) {
        size_t left = total ? (size_t)(total - done) : piece;

        if (pause_ms)
            (void)usleep((useconds_t)pause_ms * 1000);
        ssize_t n = call(fd, buf, left < piece ? left : piece);

        if (n > 0)
            done += n;
        else if (n == 0 || errno != EAGAIN || poll(&ready, 1, -1) < 0)
            break;
        errno = 0;
    }
    free(buf);
    return done;
}

static void say_moved(struct act *a, const struct step *s, long done)
{
    if (errno)
        count_error(a, s, error_name(errno));
    say(a, s, "%ld%s%s", done, errno ? " " : "", errno ? error_name(errno) : "");
}

static void step_readn(struct act *a, const struct step *s)
{
    say_moved(a, s, move(*slot(a, s), in_read, 65536, number(s, 0), 0));
}

static void step_writen(struct act *a, const struct step *s)
{
    say_moved(a, s, move(*slot(a, s), out_write, 65536, number(s, 0), 0));
}

static void step_readall(struct act *a, const struct step *s)
{
    long done = move(*slot(a, s), in_read, 65536, 0, 0);

    say(a, s, "%ld %s", done, errno ? error_name(errno) : "EOF");
}

static void step_readslow(struct act *a, const struct step *s)
{
    long done = move(*slot(a, s), in_read, (size_t)number(s, 0), 0, number(s, 1));

    say(a, s, "%ld %s", done, errno ? error_name(errno) : "EOF");
}

static void step_shutdown(struct act *a, const struct step *s)
{
    const char *how = s->arg[0];
    int value = strcmp(how, "rd") == 0 ? SHUT_RD : strcmp(how, "wr") == 0 ? SHUT_WR : SHUT_RDWR;

    if (value == SHUT_RDWR && strcmp(how, "rdwr") != 0)
        die("shutdown: rd, wr or rdwr");
    report(a, s, shutdown(*slot(a, s), value));
}

/* --- an fd through a unix socket --- */

union rights {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

static void step_sendfd(struct act *a, const struct step *s)
{
    union rights control = {{0}};
    struct iovec part = {"!", 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &part,
                                          .msg_iovlen = 1,
                                          .msg_control = &control,
                                          .msg_controllen = sizeof control.space}};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message.msg_hdr);
    int channel = *named(a, s, 0);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), slot(a, s), sizeof(int));
    if (s->args > 1 && strcmp(s->arg[1], "mmsg") == 0)
        report(a, s, sendmmsg(channel, &message, 1, 0));
    else
        report(a, s, sendmsg(channel, &message.msg_hdr, 0));
}

static void step_recvfd(struct act *a, const struct step *s)
{
    union rights control;
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.space};

    *slot(a, s) = -1;
    if (recvmsg(*named(a, s, 0), &message, 0) > 0 && CMSG_FIRSTHDR(&message))
        memcpy(slot(a, s), CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    report(a, s, *slot(a, s));
}

#endif
