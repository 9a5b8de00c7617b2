/* results: every call that receives or sends, made one way. */
#ifndef RESULTS_CALLS_H
#define RESULTS_CALLS_H

#include "calls.h"
#include "results_others.h"

typedef ssize_t transfer(int fd, void *buf, size_t n);

/* What a message call returned besides its result. */
static char returned[64];

static __attribute__((format(printf, 1, 2))) void output(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    (void)vsnprintf(returned, sizeof returned, format, list);
    va_end(list);
}

/* --- input --- */

static ssize_t in_alias_read(int fd, void *buf, size_t n)
{
    return alias.read(fd, buf, n);
}

static ssize_t in_preadv64v2(int fd, void *buf, size_t n)
{
    struct iovec part = {buf, n};

    return preadv64v2(fd, &part, 1, -1, 0);
}

static ssize_t in_preadv2_nowait(int fd, void *buf, size_t n)
{
    struct iovec part = {buf, n};

    return preadv2(fd, &part, 1, -1, RWF_NOWAIT);
}

static ssize_t in_preadv64v2_at_0(int fd, void *buf, size_t n)
{
    struct iovec part = {buf, n};

    return preadv64v2(fd, &part, 1, 0, 0);
}

static ssize_t in_recv_errqueue(int fd, void *buf, size_t n)
{
    return recv(fd, buf, n, MSG_ERRQUEUE);
}

static ssize_t in_alias_recv(int fd, void *buf, size_t n)
{
    return alias.recv(fd, buf, n, 0);
}

static ssize_t in_recvfrom(int fd, void *buf, size_t n)
{
    struct address from = {.size = sizeof from.u};
    ssize_t r = recvfrom(fd, buf, n, 0, &from.u.any, &from.size);

    output("from=%d size=%d", from.u.any.sa_family, (int)from.size);
    return r;
}

static ssize_t in_recvfrom_chk(int fd, void *buf, size_t n)
{
    struct address from = {.size = sizeof from.u};
    ssize_t r = fortified_recvfrom(fd, buf, n, n, 0, &from.u.any, &from.size);

    output("from=%d size=%d", from.u.any.sa_family, (int)from.size);
    return r;
}

/* A message with room for an address and for control data. */
struct message {
    struct address from;
    struct iovec part;
    char control[64];
    struct mmsghdr header;
};

static void prepare(struct message *m, void *buf, size_t n)
{
    *m = (struct message){.part = {buf, n}};
    m->header.msg_hdr = (struct msghdr){.msg_name = &m->from.u,
                                        .msg_namelen = sizeof m->from.u,
                                        .msg_iov = &m->part,
                                        .msg_iovlen = 1,
                                        .msg_control = m->control,
                                        .msg_controllen = sizeof m->control};
}

static void output_message(const struct message *m)
{
    const struct msghdr *header = &m->header.msg_hdr;

    output("flags=%#x namelen=%d controllen=%d len=%u", (unsigned)header->msg_flags,
           (int)header->msg_namelen, (int)header->msg_controllen, m->header.msg_len);
}

static ssize_t in_recvmsg(int fd, void *buf, size_t n)
{
    struct message m;

    prepare(&m, buf, n);
    ssize_t r = recvmsg(fd, &m.header.msg_hdr, 0);

    output_message(&m);
    return r;
}

static ssize_t in_recvmmsg(int fd, void *buf, size_t n)
{
    struct message m;

    prepare(&m, buf, n);
    ssize_t r = recvmmsg(fd, &m.header, 1, 0, NULL);

    output_message(&m);
    return r;
}

/* Moves into a pipe; an offset of a socket is an error. */
static ssize_t in_splice(int fd, void *buf, size_t n)
{
    int ends[2];

    if (pipe2(ends, O_NONBLOCK) < 0)
        die("pipe");
    errno = UNTOUCHED;
    ssize_t r = splice(fd, buf == bad ? bad : NULL, ends[1], NULL, n, 0);

    raw_close(ends[0]);
    raw_close(ends[1]);
    return r;
}

/* --- output --- */

static ssize_t out_alias_write(int fd, void *buf, size_t n)
{
    return alias.write(fd, buf, n);
}

static ssize_t out_pwritev64v2(int fd, void *buf, size_t n)
{
    struct iovec part = {buf, n};

    return pwritev64v2(fd, &part, 1, -1, 0);
}

static ssize_t out_pwritev2_at_0(int fd, void *buf, size_t n)
{
    struct iovec part = {buf, n};

    return pwritev2(fd, &part, 1, 0, 0);
}

static ssize_t out_pwritev64v2_dsync(int fd, void *buf, size_t n)
{
    struct iovec part = {buf, n};

    return pwritev64v2(fd, &part, 1, -1, RWF_DSYNC);
}

static ssize_t out_send_nosignal(int fd, void *buf, size_t n)
{
    return send(fd, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t out_send_oob(int fd, void *buf, size_t n)
{
    return send(fd, buf, n, MSG_OOB);
}

static ssize_t out_send_fastopen(int fd, void *buf, size_t n)
{
    return send(fd, buf, n, MSG_FASTOPEN);
}

static ssize_t out_alias_send(int fd, void *buf, size_t n)
{
    return alias.send(fd, buf, n, 0);
}

/* To where nobody listens; a connection ignores it. */
static ssize_t out_sendto_address(int fd, void *buf, size_t n)
{
    return sendto(fd, buf, n, 0, &refusing_at.u.any, refusing_at.size);
}

static void prepare_send(struct message *m, void *buf, size_t n)
{
    *m = (struct message){.part = {buf, n}};
    m->header.msg_hdr.msg_iov = &m->part;
    m->header.msg_hdr.msg_iovlen = 1;
}

static ssize_t out_sendmsg(int fd, void *buf, size_t n)
{
    struct message m;

    prepare_send(&m, buf, n);
    return sendmsg(fd, &m.header.msg_hdr, 0);
}

static ssize_t out_sendmsg_fastopen(int fd, void *buf, size_t n)
{
    struct message m;

    prepare_send(&m, buf, n);
    return sendmsg(fd, &m.header.msg_hdr, MSG_FASTOPEN);
}

static ssize_t out_sendmmsg(int fd, void *buf, size_t n)
{
    struct message m;

    prepare_send(&m, buf, n);
    ssize_t r = sendmmsg(fd, &m.header, 1, 0);

    output("len=%u", m.header.msg_len);
    return r;
}

static ssize_t out_alias_sendmmsg(int fd, void *buf, size_t n)
{
    struct message m;

    prepare_send(&m, buf, n);
    ssize_t r = alias.sendmmsg(fd, &m.header, 1, 0);

    output("len=%u", m.header.msg_len);
    return r;
}

/* From a file; a bad buffer is a bad offset. */
static ssize_t out_sendfile(int fd, void *buf, size_t n)
{
    int file = make_file();
    off_t at = 0;

    errno = UNTOUCHED;
    ssize_t r = sendfile(fd, file, buf == bad ? bad : &at, n);

    raw_close(file);
    output("at=%ld", (long)at);
    return r;
}

static ssize_t out_sendfile64(int fd, void *buf, size_t n)
{
    int file = make_file();

    errno = UNTOUCHED;
    ssize_t r = sendfile64(fd, file, buf == bad ? bad : NULL, n);

    raw_close(file);
    return r;
}

/* From a pipe; an offset of a socket is an error. */
static ssize_t out_splice(int fd, void *buf, size_t n)
{
    int ends[2];

    if (pipe2(ends, O_NONBLOCK) < 0)
        die("pipe");
    raw_send(ends[1]);
    errno = UNTOUCHED;
    ssize_t r = splice(ends[0], NULL, fd, buf == bad ? bad : NULL, n, 0);

    raw_close(ends[0]);
    raw_close(ends[1]);
    return r;
}

/* --- the tables --- */

struct call {
    const char *name;
    transfer *function;
};

static const struct call inputs[] = {
    {"read", in_read},
    {"__read", in_alias_read},
    {"__read_chk", in_read_chk},
    {"readv", in_readv},
    {"preadv2", in_preadv2},
    {"preadv64v2", in_preadv64v2},
    {"preadv2 RWF_NOWAIT", in_preadv2_nowait},
    {"preadv64v2 at 0", in_preadv64v2_at_0},
    {"recv", in_recv},
    {"recv MSG_DONTWAIT", in_recv_dontwait},
    {"recv MSG_PEEK", in_recv_peek},
    {"recv MSG_TRUNC", in_recv_trunc},
    {"recv MSG_OOB", in_recv_oob},
    {"recv MSG_ERRQUEUE", in_recv_errqueue},
    {"__recv", in_alias_recv},
    {"__recv_chk", in_recv_chk},
    {"recvfrom", in_recvfrom},
    {"__recvfrom_chk", in_recvfrom_chk},
    {"recvmsg", in_recvmsg},
    {"recvmmsg", in_recvmmsg},
    {"splice from", in_splice},
};

static const struct call outputs[] = {
    {"write", out_write},
    {"__write", out_alias_write},
    {"writev", out_writev},
    {"pwritev2", out_pwritev2},
    {"pwritev64v2", out_pwritev64v2},
    {"pwritev2 at 0", out_pwritev2_at_0},
    {"pwritev64v2 RWF_DSYNC", out_pwritev64v2_dsync},
    {"send", out_send},
    {"send MSG_NOSIGNAL", out_send_nosignal},
    {"send MSG_OOB", out_send_oob},
    {"send MSG_FASTOPEN", out_send_fastopen},
    {"__send", out_alias_send},
    {"sendto", out_sendto},
    {"sendto an address", out_sendto_address},
    {"sendmsg", out_sendmsg},
    {"sendmsg MSG_FASTOPEN", out_sendmsg_fastopen},
    {"sendmmsg", out_sendmmsg},
    {"__sendmmsg", out_alias_sendmmsg},
    {"sendfile", out_sendfile},
    {"sendfile64", out_sendfile64},
    {"splice to", out_splice},
};

#endif
