/* results: messages, the fds in them, and flags that are wrong in ways of their own. */
#ifndef RESULTS_MESSAGE_H
#define RESULTS_MESSAGE_H

#include "results_vector.h"

/* --- messages --- */

struct wrong {
    const char *name;
    void (*spoil)(struct msghdr *m);
};

static void spoil_nothing(struct msghdr *m)
{
    (void)m;
}

static void spoil_vector(struct msghdr *m)
{
    m->msg_iov = bad;
}

static void spoil_count(struct msghdr *m)
{
    m->msg_iovlen = 2000;
}

static void spoil_no_parts(struct msghdr *m)
{
    m->msg_iov = NULL;
    m->msg_iovlen = 0;
}

static void spoil_name(struct msghdr *m)
{
    m->msg_name = bad;
    m->msg_namelen = 16;
}

static void spoil_name_size(struct msghdr *m)
{
    m->msg_namelen = (socklen_t)-1;
}

static void spoil_control(struct msghdr *m)
{
    m->msg_control = bad;
    m->msg_controllen = 64;
}

static void spoil_no_control(struct msghdr *m)
{
    m->msg_control = NULL;
    m->msg_controllen = 64;
}

static void spoil_control_size(struct msghdr *m)
{
    m->msg_controllen = 5;
}

static void spoil_flags(struct msghdr *m)
{
    m->msg_flags = -1;
}

static const struct wrong wrongs[] = {
    {"good message", spoil_nothing},
    {"bad vector", spoil_vector},
    {"2000 parts", spoil_count},
    {"no parts", spoil_no_parts},
    {"bad address", spoil_name},
    {"address of -1 bytes", spoil_name_size},
    {"bad control data", spoil_control},
    {"NULL control data", spoil_no_control},
    {"short control data", spoil_control_size},
    {"odd flags", spoil_flags},
};

static int make_message_fd(int kind)
{
    return kind == 0 ? with_data() : kind == 1 ? make_udp_data() : make_unix_data();
}

static void try_message_in(const struct wrong *w, int kind, const char *name, bool many)
{
    int fd = make_message_fd(kind);
    struct message m;

    prepare(&m, buffer, 3); /* of five bytes: MSG_TRUNC on udp */
    w->spoil(&m.header.msg_hdr);
    if (many)
        CALL("recvmmsg", recvmmsg(fd, &m.header, 1, MSG_DONTWAIT, NULL), "%s, %s", name,
             w->name);
    else
        CALL("recvmsg", recvmsg(fd, &m.header.msg_hdr, 0), "%s, %s", name, w->name);
    output_message(&m);
    extra("%s", returned);
    clean_other(fd);
}

static void try_message_out(const struct wrong *w, int kind, const char *name)
{
    int fd = make_message_fd(kind);
    struct message m;

    prepare_send(&m, buffer, 3);
    w->spoil(&m.header.msg_hdr);
    CALL("sendmsg", sendmsg(fd, &m.header.msg_hdr, 0), "%s, %s", name, w->name);
    CALL("sendmmsg", sendmmsg(fd, &m.header, 1, 0), "%s, %s", name, w->name);
    CALL("__sendmmsg", alias.sendmmsg(fd, &m.header, 1, 0), "%s, %s", name, w->name);
    clean_other(fd);
}

static void try_messages(void)
{
    static const char *const names[] = {"tcp", "udp", "unix"};

    for (int kind = 0; kind < COUNT(names); kind++)
        for (int i = 0; i < COUNT(wrongs); i++) {
            try_message_in(&wrongs[i], kind, names[kind], false);
            try_message_in(&wrongs[i], kind, names[kind], true);
            try_message_out(&wrongs[i], kind, names[kind]);
        }
}

/* Whole headers that are wrong, and more messages than one. */
static void try_message_arrays(void)
{
    struct timespec times[] = {{PATIENCE_MS, 0}, {0, -1}};
    struct mmsghdr two[2];
    struct message m;

    for (int kind = 0; kind < 2; kind++) {
        const char *name = kind ? "udp" : "tcp";
        int fd = make_message_fd(kind);

        set_nonblock(fd);
        prepare_send(&m, buffer, 3);
        two[0] = two[1] = m.header;
        two[1].msg_hdr.msg_iov = bad;
        if (sizeof(time_t) == sizeof(long)) { /* otherwise libc reads them itself */
            CALL("recvmsg", recvmsg(fd, bad, 0), "%s, bad header", name);
            CALL("recvmmsg", recvmmsg(fd, bad, 1, 0, NULL), "%s, bad headers", name);
        }
        CALL("recvmmsg", recvmmsg(fd, NULL, 0, 0, NULL), "%s, no headers", name);
        if (sizeof(void *) == 8) /* libc reads it itself for a 32-bit program */
            CALL("recvmmsg", recvmmsg(fd, two, 2, 0, bad), "%s, bad time", name);
        CALL("recvmmsg", recvmmsg(fd, two, 2, 0, &times[1]), "%s, negative time", name);
        CALL("recvmmsg", recvmmsg(fd, two, 2, 0, &times[0]), "%s, second bad", name);
        extra("len=%u", two[0].msg_len);
        CALL("sendmsg", sendmsg(fd, bad, 0), "%s, bad header", name);
        CALL("sendmmsg", sendmmsg(fd, bad, 1, 0), "%s, bad headers", name);
        CALL("sendmmsg", sendmmsg(fd, NULL, 0, 0), "%s, no headers", name);
        CALL("sendmmsg", sendmmsg(fd, NULL, 0, MSG_FASTOPEN), "%s, no headers, MSG_FASTOPEN",
             name);
        CALL("sendmmsg", sendmmsg(fd, bad, 1, MSG_FASTOPEN), "%s, bad headers, MSG_FASTOPEN",
             name);
        CALL("sendmmsg", sendmmsg(fd, two, 2, 0), "%s, second bad", name);
        extra("len=%u", two[0].msg_len);
        clean_other(fd);
    }
}

/* --- fds in messages --- */

struct rights {
    struct message m;
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control;
};

static void prepare_rights(struct rights *r, const int *fds, size_t count)
{
    prepare_send(&r->m, buffer, 1);
    memset(&r->control, 0, sizeof r->control);
    r->control.header.cmsg_level = SOL_SOCKET;
    r->control.header.cmsg_type = SCM_RIGHTS;
    r->control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    if (count > 0)
        memcpy(CMSG_DATA(&r->control.header), fds, count * sizeof(int));
    r->m.header.msg_hdr.msg_control = &r->control;
    r->m.header.msg_hdr.msg_controllen = CMSG_SPACE(count * sizeof(int));
}

/* Receives fds with room for `size` bytes of control data, and closes them. */
static void receive_rights(int end, size_t size, bool many)
{
    struct rights r;

    prepare_send(&r.m, buffer, 1);
    memset(&r.control, 0, sizeof r.control);
    r.m.header.msg_hdr.msg_control = &r.control;
    r.m.header.msg_hdr.msg_controllen = size;
    if (many)
        CALL("recvmmsg", recvmmsg(end, &r.m.header, 1, 0, NULL), "rights, room %zu", size);
    else
        CALL("recvmsg", recvmsg(end, &r.m.header.msg_hdr, 0), "rights, room %zu", size);
    extra("flags=%#x controllen=%zu", (unsigned)r.m.header.msg_hdr.msg_flags,
          r.m.header.msg_hdr.msg_controllen);
    int *fds = (int *)(void *)CMSG_DATA(&r.control.header);

    for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= r.control.header.cmsg_len; i++) {
        extra_open(fds[i]);
        (void)close(fds[i]);
    }
}

static void try_rights(void)
{
    static const size_t rooms[] = {CMSG_SPACE(2 * sizeof(int)), CMSG_LEN(sizeof(int)),
                                   CMSG_LEN(0), 0};
    int end = unix_end(SOCK_STREAM);
    int fds[2] = {connected(&sides[0]), make_udp()};
    struct rights r;

    for (int i = 0; i < COUNT(rooms) * 2; i++) {
        prepare_rights(&r, fds, 2);
        if (i % 2)
            CALL("sendmmsg", sendmmsg(other_end, &r.m.header, 1, 0), "rights");
        else
            CALL("sendmsg", sendmsg(other_end, &r.m.header.msg_hdr, 0), "rights");
        receive_rights(end, rooms[i / 2], i % 2);
    }
    fds[1] = NO_FD;
    prepare_rights(&r, fds, 2);
    CALL("sendmsg", sendmsg(end, &r.m.header.msg_hdr, 0), "rights of a closed fd");
    r.control.header.cmsg_len = 3;
    CALL("sendmsg", sendmsg(end, &r.m.header.msg_hdr, 0), "rights, wrong length");
    CALL("sendmmsg", sendmmsg(end, &r.m.header, 1, 0), "rights, wrong length");
    CALL("write", write(fds[0], buffer, 1), "passed socket");
    extra_linger(fds[0]);
    clean(fds[0]);
    clean_other(end);
}

/* --- files and pipes --- */

static void try_sendfile(void)
{
    int fd = connected(&sides[0]), file = make_file(), null = make_null_write();
    off_t negative = -1, at = 2;
    off64_t at64 = 4;

    CALL("sendfile", sendfile(fd, file, &at, 2), "from offset 2");
    extra("at=%ld", (long)at);
    CALL("sendfile64", sendfile64(fd, file, &at64, 99), "from offset 4");
    extra("at=%ld", (long)at64);
    CALL("sendfile64", sendfile64(fd, file, &at64, 99), "from the end");
    CALL("sendfile", sendfile(fd, file, &negative, 2), "from offset -1");
    CALL("sendfile", sendfile(fd, NO_FD, NULL, 2), "from a closed fd");
    CALL("sendfile64", sendfile64(fd, null, NULL, 2), "from a write-only file");
    CALL("sendfile", sendfile(fd, fd, NULL, 2), "from a socket");
    raw_close(null);
    raw_close(file);
    clean(fd);
}

static void try_splice(void)
{
    off64_t at = 0;
    int fd = with_data(), file = make_file();

    CALL("splice", splice(fd, NULL, file, NULL, 2, 0), "without a pipe");
    CALL("splice", splice(fd, &at, pipe_end(1), NULL, 2, 0), "offset of a socket");
    CALL("splice", splice(fd, NULL, NO_FD, NULL, 2, 0), "to a closed fd");
    CALL("splice", splice(NO_FD, NULL, fd, NULL, 2, 0), "from a closed fd");
    CALL("splice", splice(fd, NULL, other_end, NULL, 2, 0), "to a pipe's reading end");
    CALL("splice", splice(fd, NULL, fd, NULL, 2, 99), "flags unknown");
    CALL("splice", splice(fd, NULL, fd, NULL, 0, 99), "no bytes");
    raw_close(file);
    clean_other(fd);
}

/* --- input that is more than bytes --- */

static void try_flags(void)
{
    int fd = with_data();

    (void)raw_syscall(SYS_sendto, peer, "!", 1, MSG_OOB, NULL, 0);
    wait_ready(fd, POLLPRI);
    CALL("recv", recv(fd, buffer, WANTED, MSG_PEEK), "before an urgent byte, MSG_PEEK");
    CALL("recv", recv(fd, buffer, WANTED, 0), "before an urgent byte");
    CALL("recv", recv(fd, buffer, WANTED, MSG_OOB), "urgent byte");
    CALL("recv", recv(fd, buffer, WANTED, MSG_OOB), "urgent byte, again");
    bring_data(fd);
    CALL("recv", recv(fd, buffer, 4, MSG_WAITALL), "MSG_WAITALL");
    CALL("recvfrom", recvfrom(fd, buffer, 4, -1, NULL, NULL), "all flags");
    CALL("sendto", sendto(fd, buffer, 4, MSG_MORE | MSG_DONTROUTE, NULL, 0), "MSG_MORE");
    CALL("send", send(fd, buffer, 4, 1 << 30), "flags unknown");
    clean(fd);
    fd = make_udp_data();
    CALL("recv", recv(fd, buffer, 2, MSG_TRUNC), "udp, MSG_TRUNC");
    CALL("send", send(fd, buffer, WANTED, MSG_CONFIRM), "udp, MSG_CONFIRM");
    clean_other(fd);
}

static void try_big_datagram(void)
{
    size_t size = 70000;
    char *big = calloc(1, size);
    int fd = make_udp_data();

    CALL("send", send(fd, big, size, 0), "70000 bytes by udp");
    CALL("write", write(fd, big, size), "70000 bytes by udp");
    CALL("sendto", sendto(fd, big, size, 0, NULL, 0), "70000 bytes by udp");
    clean_other(fd);
    free(big);
}

static void results_message(void)
{
    for (int i = 0; i < COUNT(vectors); i++)
        try_vector(&vectors[i]);
    try_vector_flags();
    try_addresses_in();
    try_destinations();
    try_messages();
    try_message_arrays();
    try_rights();
    try_sendfile();
    try_splice();
    try_flags();
    try_big_datagram();
}

#endif
