/* results: vectors and addresses that are wrong in ways of their own. */
#ifndef RESULTS_VECTOR_H
#define RESULTS_VECTOR_H

#include "results_io.h"

/* A connection of ours with "hello" to be read. */
static int with_data(void)
{
    int fd = connected(&sides[0]);

    bring_data(fd);
    return fd;
}

/* --- vectors --- */

struct vector {
    const char *name;
    bool bad_array, bad_second, too_long;
    int count;
};

static const struct vector vectors[] = {
    {"array that cannot be read", true, false, false, 1},
    {"count 0, bad array", true, false, false, 0},
    {"count -1", false, false, false, -1},
    {"count 2000", false, false, false, 2000},
    {"second of two parts bad", false, true, false, 2},
    {"length beyond SSIZE_MAX", false, false, true, 2},
};

static const struct iovec *make_vector(const struct vector *v, struct iovec parts[2])
{
    parts[0] = (struct iovec){buffer, 2};
    parts[1] = (struct iovec){v->bad_second ? bad : buffer, v->too_long ? SIZE_MAX : 2};
    return v->bad_array ? bad : parts;
}

static void try_vector(const struct vector *v)
{
    struct iovec parts[2];
    const struct iovec *iov = make_vector(v, parts);

#define VECTOR(function, call)                                                                 \
    do {                                                                                       \
        int fd = with_data();                                                                  \
        CALL(function, call, "%s", v->name);                                                   \
        clean(fd);                                                                             \
    } while (0)

    VECTOR("readv", readv(fd, iov, v->count));
    VECTOR("writev", writev(fd, iov, v->count));
    VECTOR("preadv2", preadv2(fd, iov, v->count, -1, 0));
    VECTOR("preadv64v2", preadv64v2(fd, iov, v->count, -1, 0));
    VECTOR("pwritev2", pwritev2(fd, iov, v->count, -1, 0));
    VECTOR("pwritev64v2", pwritev64v2(fd, iov, v->count, -1, 0));
}

static void try_vector_flags(void)
{
    struct iovec part = {buffer, 2};
    int fd = with_data();

    CALL("preadv2", preadv2(fd, &part, 1, -1, 1 << 20), "flags unknown");
    CALL("preadv64v2", preadv64v2(fd, &part, 1, -5, 0), "offset -5");
    CALL("pwritev2", pwritev2(fd, &part, 1, -1, 1 << 20), "flags unknown");
    CALL("pwritev64v2", pwritev64v2(fd, &part, 1, -5, 0), "offset -5");
    clean(fd);
}

/* --- addresses --- */

static void try_addresses_in(void)
{
    struct address from = {.size = 3};
    int fd = with_data();

    CALL("recvfrom", recvfrom(fd, buffer, 1, 0, bad, &from.size), "bad address");
    CALL("recvfrom", recvfrom(fd, buffer, 1, 0, &from.u.any, bad), "bad address size");
    CALL("__recvfrom_chk", fortified_recvfrom(fd, buffer, 1, WANTED, 0, &from.u.any, bad),
         "bad address size");
    clean(fd);
    for (int short_size = 0; short_size < 2; short_size++) {
        fd = make_udp_data();
        from.size = short_size ? 3 : (socklen_t)-1;
        CALL("recvfrom", recvfrom(fd, buffer, 2, MSG_TRUNC, &from.u.any, &from.size),
             "udp, address size %d", (int)(short_size ? 3 : -1));
        extra("size=%d", (int)from.size);
        clean_other(fd);
    }
    fd = make_udp_data();
    CALL("recvfrom", recvfrom(fd, buffer, 2, 0, bad, &from.size), "udp, bad address");
    clean_other(fd);
}

struct destination {
    const char *name;
    const struct address *to;
    bool bad;
    socklen_t size; /* 0: the address's own */
};

static void try_destination(const struct destination *d, int flags, const char *flag)
{
    const struct sockaddr *to = d->bad ? bad : &d->to->u.any;
    socklen_t size = d->size ? d->size : d->to->size;
    struct message m;

    for (int udp = 0; udp < 2; udp++) {
        const char *kind = udp ? "udp" : "tcp never connected";
        int fd = udp ? make_udp() : make_tcp4_new();

        prepare_send(&m, buffer, 2);
        m.header.msg_hdr.msg_name = (void *)(uintptr_t)to;
        m.header.msg_hdr.msg_namelen = size;
        CALL("sendto", sendto(fd, buffer, 2, flags, to, size), "%s to %s%s", kind, d->name,
             flag);
        clean(fd);
        fd = udp ? make_udp() : make_tcp4_new();
        CALL("sendmsg", sendmsg(fd, &m.header.msg_hdr, flags), "%s to %s%s", kind, d->name,
             flag);
        clean(fd);
        fd = udp ? make_udp() : make_tcp4_new();
        CALL("sendmmsg", sendmmsg(fd, &m.header, 1, flags), "%s to %s%s", kind, d->name, flag);
        clean(fd);
    }
}

static void try_destinations(void)
{
    const struct address none = {.size = sizeof none.u.any}; /* AF_UNSPEC */
    const struct destination destinations[] = {
        {"a listener", &peer_listener_at[0], false, 0},
        {"a closed port", &refusing_at, false, 0},
        {"nobody who answers", &unanswering_at, false, 0},
        {"an IPv6 address", &peer_listener_at[1], false, 0},
        {"AF_UNSPEC", &none, false, 0},
        {"a bad address", &none, true, 16},
        {"an address of 2 bytes", &refusing_at, false, 2},
        {"an address of -1 bytes", &refusing_at, false, (socklen_t)-1},
    };

    for (int i = 0; i < COUNT(destinations); i++) {
        try_destination(&destinations[i], 0, "");
        try_destination(&destinations[i], MSG_FASTOPEN, ", MSG_FASTOPEN");
    }
    drop_arrivals(peer_listeners[0]);
}

#endif
