/*
 * io: the calls that receive or send; each notes the last operation.
 *
 * The path of every read and write of the host program. Where nothing asks for the last
 * operation it costs a comparison; elsewhere, the look into the table, and one store for a
 * connection of ours. What that store needs is in noted_<name>(), apart: otherwise the compiler
 * makes room for it on the stack in every call.
 */
#include "connection/birth.h"
#include "connection/rights.h"
#include "connection/table.h"
#include "connection/use.h"
#include "hooks/cleanup.h"
#include "hooks/hooks.h"
#include "kernel/process.h"

#include <stddef.h>

static size_t iov_bytes(const struct iovec *iov, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

/** Nothing was received or sent: it failed, or it was the peer's EOF unless we shut that half
 * down. */
__attribute__((noinline)) static void note_rest(struct conn *c, uint32_t generation, ssize_t r,
                                                size_t wanted, int flags)
{
    if (!process_is_ours())
        return;
    if (r < 0)
        use_failed(c);
    else if (wanted > 0 && !(flags & MSG_ERRQUEUE) && !conn_is(c, CONN_SHUT_RD))
        conn_note(c, generation, LAST_EOF);
}

/**
 * Notes input: what is only looked at stays, and the error queue is none of the peer's
 * (recv(2)). 0 is the peer's EOF if `wanted` bytes were more.
 */
static inline void note_input(struct conn *c, uint32_t generation, ssize_t r, size_t wanted,
                              int flags)
{
    if (__builtin_expect(r <= 0, 0))
        note_rest(c, generation, r, wanted, flags);
    else if (!(flags & (MSG_PEEK | MSG_ERRQUEUE)) && process_is_ours())
        conn_note_read(c, generation, (size_t)r);
}

static inline void note_output(struct conn *c, uint32_t generation, ssize_t r)
{
    if (__builtin_expect(r < 0, 0))
        note_rest(c, generation, r, 0, 0);
    else if (r > 0 && process_is_ours())
        conn_note_written(c, generation, (size_t)r);
}

#define BARE(...) __VA_ARGS__

/** hook_<name>(), which passes on to noted_<name>() what is to be noted. */
#define NOTED(name, parameters, arguments)                                                     \
    ssize_t hook_##name parameters                                                             \
    {                                                                                          \
        struct conn *c = table_find_noted(fd);                                                 \
        if (__builtin_expect(!c, 1))                                                           \
            return next.name arguments;                                                        \
        return noted_##name(BARE arguments, c);                                                \
    }

/* `idle`: no byte is wanted, which is known before the call, or `wanted` says it afterwards. */
#define INPUT_AS(noted, name, parameters, arguments, idle, wanted, flags)                      \
    __attribute__((noinline)) static ssize_t noted##_##name(BARE parameters, struct conn *c)   \
    {                                                                                          \
        if (idle)                                                                              \
            return next.name arguments;                                                        \
        uint32_t generation = conn_generation(c);                                              \
        ssize_t r = next.name arguments;                                                       \
        note_input(c, generation, r, r == 0 ? (wanted) : 0, flags);                            \
        return r;                                                                              \
    }

#define INPUT(name, parameters, arguments, idle, wanted)                                       \
    INPUT_AS(noted, name, parameters, arguments, idle, wanted, 0)                              \
    NOTED(name, parameters, arguments)

#define OUTPUT(name, parameters, arguments)                                                    \
    __attribute__((noinline)) static ssize_t noted_##name(BARE parameters, struct conn *c)     \
    {                                                                                          \
        uint32_t generation = conn_generation(c);                                              \
        ssize_t r = next.name arguments;                                                       \
        note_output(c, generation, r);                                                         \
        return r;                                                                              \
    }                                                                                          \
    NOTED(name, parameters, arguments)

/* With flags: those that only look are apart, too, since the flags are needed after the call.
 */
#define RECV(name, parameters, arguments)                                                      \
    INPUT_AS(received, name, parameters, arguments, n == 0, 1, 0)                              \
    INPUT_AS(looked, name, parameters, arguments, n == 0, 1, flags)                            \
    static inline ssize_t noted_##name(BARE parameters, struct conn *c)                        \
    {                                                                                          \
        if (__builtin_expect(flags & (MSG_PEEK | MSG_ERRQUEUE), 0))                            \
            return looked_##name(BARE arguments, c);                                           \
        return received_##name(BARE arguments, c);                                             \
    }                                                                                          \
    NOTED(name, parameters, arguments)

/* clang-format off */
INPUT(read, (int fd, void *buf, size_t n), (fd, buf, n), n == 0, 1)
INPUT(__read_chk, (int fd, void *buf, size_t n, size_t size), (fd, buf, n, size), n == 0, 1)
INPUT(readv, (int fd, const struct iovec *iov, int count), (fd, iov, count),
      false, iov_bytes(iov, (size_t)count))
INPUT(preadv2, (int fd, const struct iovec *iov, int count, plain_off_t at, int flags),
      (fd, iov, count, at, flags), false, iov_bytes(iov, (size_t)count))
INPUT(preadv64v2, (int fd, const struct iovec *iov, int count, off64_t at, int flags),
      (fd, iov, count, at, flags), false, iov_bytes(iov, (size_t)count))
RECV(recv, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags))
RECV(recvfrom, (int fd, void *buf, size_t n, int flags, struct sockaddr *addr, socklen_t *len),
     (fd, buf, n, flags, addr, len))
RECV(__recv_chk, (int fd, void *buf, size_t n, size_t size, int flags),
     (fd, buf, n, size, flags))
RECV(__recvfrom_chk, (int fd, void *buf, size_t n, size_t size, int flags,
                      struct sockaddr *addr, socklen_t *len),
     (fd, buf, n, size, flags, addr, len))

OUTPUT(write, (int fd, const void *buf, size_t n), (fd, buf, n))
OUTPUT(writev, (int fd, const struct iovec *iov, int count), (fd, iov, count))
OUTPUT(pwritev2, (int fd, const struct iovec *iov, int count, plain_off_t at, int flags),
       (fd, iov, count, at, flags))
OUTPUT(pwritev64v2, (int fd, const struct iovec *iov, int count, off64_t at, int flags),
       (fd, iov, count, at, flags))
OUTPUT(send, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags))
/* clang-format on */

/* fds that come or go by SCM_RIGHTS do so whatever the table, which may be stale, says of fd.
 */

#define RECVMSG(name)                                                                          \
    ssize_t hook_##name(int fd, struct msghdr *msg, int flags)                                 \
    {                                                                                          \
        struct conn *c = table_find(fd);                                                       \
        uint32_t generation = c ? conn_generation(c) : 0;                                      \
        ssize_t r = next.name(fd, msg, flags);                                                 \
        if (r >= 0)                                                                            \
            rights_received(msg);                                                              \
        if (c)                                                                                 \
            note_input(c, generation, r,                                                       \
                       r == 0 ? iov_bytes(msg->msg_iov, (size_t)msg->msg_iovlen) : 0, flags);  \
        return r;                                                                              \
    }

RECVMSG(recvmsg)
RECVMSG(__recvmsg64)

#define RECVMMSG(name)                                                                         \
    int hook_##name(int fd, struct mmsghdr *msgs, unsigned count, int flags,                   \
                    struct timespec *timeout)                                                  \
    {                                                                                          \
        struct conn *c = table_find(fd);                                                       \
        uint32_t generation = c ? conn_generation(c) : 0;                                      \
        int r = next.name(fd, msgs, count, flags, timeout);                                    \
        for (int i = 0; i < r; i++) {                                                          \
            const struct msghdr *msg = &msgs[i].msg_hdr;                                       \
            rights_received(msg);                                                              \
            if (c)                                                                             \
                note_input(c, generation, (ssize_t)msgs[i].msg_len,                            \
                           iov_bytes(msg->msg_iov, (size_t)msg->msg_iovlen), flags);           \
        }                                                                                      \
        return r;                                                                              \
    }

RECVMMSG(recvmmsg)
RECVMMSG(__recvmmsg64)
RECVMMSG(__recvmmsg_time64)

/*
 * Output that may carry an address or fds: a Fast Open send is a birth, too (tcp(7)), and what
 * is passed over a UNIX socket is shared from then on.
 */

ssize_t hook_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *addr,
                    socklen_t len)
{
    struct conn *c = table_find(fd);
    if (!c)
        return next.sendto(fd, buf, n, flags, addr, len);
    uint32_t generation = conn_generation(c);
    struct birth birth = birth_sending(fd, flags, addr, len);
    ssize_t r = next.sendto(fd, buf, n, flags, addr, len);
    while (birth.c && birth_found_port(&birth, r, addr, len))
        r = next.sendto(fd, buf, n, flags, addr, len);
    birth_connected(&birth, r, addr, len);
    note_output(c, generation, r);
    return r;
}

/** Until it has returned, what it passes may be in flight; it is a cancellation point. */
#define PASSING(type, name, parameters, arguments, begins, sent)                               \
    static type passing_##name parameters                                                      \
    {                                                                                          \
        int sender = begins;                                                                   \
        if (sender < 0) { /* perhaps the child of a vfork(), which may be killed in here */    \
            type r = next.name arguments;                                                      \
            sent;                                                                              \
            return r;                                                                          \
        }                                                                                      \
        CLEANUP_BEGIN(rights_left, &sender);                                                   \
        type r = next.name arguments;                                                          \
        sent;                                                                                  \
        CLEANUP_END();                                                                         \
        rights_done(sender);                                                                   \
        return r;                                                                              \
    }

static void sent_one(int fd, const struct msghdr *msg, ssize_t r)
{
    if (r >= 0)
        rights_sent(fd, msg);
}

static void sent_many(int fd, const struct mmsghdr *msgs, int r)
{
    for (int i = 0; i < r; i++)
        rights_sent(fd, &msgs[i].msg_hdr);
}

#define SENDMSG(name)                                                                          \
    PASSING(ssize_t, name, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags),    \
            rights_sending(msg), sent_one(fd, msg, r))                                         \
    ssize_t hook_##name(int fd, const struct msghdr *msg, int flags)                           \
    {                                                                                          \
        struct conn *c = table_find(fd);                                                       \
        uint32_t generation = c ? conn_generation(c) : 0;                                      \
        struct birth birth = birth_sending(c ? fd : -1, flags, NULL, 0);                       \
        ssize_t r = passing_##name(fd, msg, flags);                                            \
        while (birth.c && birth_message_found_port(&birth, r, msg))                            \
            r = next.name(fd, msg, flags);                                                     \
        if (birth.c)                                                                           \
            birth_sent(&birth, r, msg);                                                        \
        if (c)                                                                                 \
            note_output(c, generation, r);                                                     \
        return r;                                                                              \
    }

SENDMSG(sendmsg)
SENDMSG(__sendmsg64)

#define SENDMMSG(name)                                                                         \
    PASSING(int, name, (int fd, struct mmsghdr *msgs, unsigned count, int flags),              \
            (fd, msgs, count, flags), rights_sending_many(msgs, count),                        \
            sent_many(fd, msgs, r))                                                            \
    int hook_##name(int fd, struct mmsghdr *msgs, unsigned count, int flags)                   \
    {                                                                                          \
        struct conn *c = table_find(fd);                                                       \
        uint32_t generation = c ? conn_generation(c) : 0;                                      \
        struct birth birth = birth_sending(c && count > 0 ? fd : -1, flags, NULL, 0);          \
        int r = passing_##name(fd, msgs, count, flags);                                        \
        while (birth.c && birth_message_found_port(&birth, r, &msgs[0].msg_hdr))               \
            r = next.name(fd, msgs, count, flags);                                             \
        if (birth.c)                                                                           \
            birth_sent(&birth, r, &msgs[0].msg_hdr);                                           \
        for (int i = 0; c && i < r; i++)                                                       \
            note_output(c, generation, (ssize_t)msgs[i].msg_len);                              \
        return r;                                                                              \
    }

SENDMMSG(sendmmsg)
SENDMMSG(__sendmmsg64)

/** From a file, or a pipe, to a socket. */
#define SENDFILE(name, offset)                                                                 \
    ssize_t hook_##name(int out, int in, offset *at, size_t n)                                 \
    {                                                                                          \
        struct conn *c = table_find(out);                                                      \
        uint32_t generation = c ? conn_generation(c) : 0;                                      \
        ssize_t r = next.name(out, in, at, n);                                                 \
        if (c)                                                                                 \
            note_output(c, generation, r);                                                     \
        return r;                                                                              \
    }

SENDFILE(sendfile, plain_off_t)
SENDFILE(sendfile64, off64_t)

ssize_t hook_splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags)
{
    struct conn *from = table_find(in);
    struct conn *to = table_find(out);
    uint32_t from_generation = from ? conn_generation(from) : 0;
    uint32_t to_generation = to ? conn_generation(to) : 0;
    ssize_t r = next.splice(in, in_at, out, out_at, n, flags);
    if (from)
        note_input(from, from_generation, r, n, 0);
    if (to)
        note_output(to, to_generation, r);
    return r;
}
