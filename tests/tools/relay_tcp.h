/* relay's view of TCP: what a packet says of the end of its connection. */
#ifndef RELAY_TCP_H
#define RELAY_TCP_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FLAG_FIN = 0x01,
    FLAG_SYN = 0x02,
    FLAG_RST = 0x04,
    FLAG_ACK = 0x10,
};

/* A segment (RFC 9293, section 3.1); all 0 where the packet is no TCP or a later fragment. */
struct segment {
    int flags;
    uint32_t end; /* the sequence number after it, SYN and FIN counted */
    uint32_t ack;
};

static inline uint32_t number_at(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Where TCP begins in an IP packet, 0 if it does not. */
static inline size_t tcp_at(const unsigned char *ip, size_t size)
{
    enum { IP6_HEADER = 40, TCP_HEADER = 20 };
    size_t header = (size_t)(ip[0] & 15) * 4;

    if (ip[0] >> 4 == 4 && size >= header + TCP_HEADER && ip[9] == IPPROTO_TCP &&
        ((ip[6] & 0x1f) | ip[7]) == 0)
        return header;
    if (ip[0] >> 4 == 6 && size >= IP6_HEADER + TCP_HEADER && ip[6] == IPPROTO_TCP)
        return IP6_HEADER;
    return 0;
}

static inline struct segment segment_of(const unsigned char *ip, size_t size)
{
    struct segment s = {0};
    size_t at = tcp_at(ip, size);

    if (at == 0)
        return s;
    s.flags = ip[at + 13];
    s.ack = number_at(ip + at + 8);
    s.end = number_at(ip + at + 4) + (uint32_t)(size - at) - (ip[at + 12] >> 4) * 4U +
            !!(s.flags & FLAG_SYN) + !!(s.flags & FLAG_FIN);
    return s;
}

#endif
