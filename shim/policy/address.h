/*
 * address: IPv4 and IPv6 addresses with their ports, and networks of them.
 *
 * Pure: no system call, no malloc. A v4-mapped address counts as the IPv4 one that it is.
 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include "policy/text.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/** family AF_UNSPEC where it is not known. */
union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/** 128 bits in host order; an IPv4 address as the v4-mapped one. */
struct bits128 {
    uint64_t high, low;
};

/** A network. */
struct cidr {
    struct bits128 network, mask;
    bool wide; /* of less than 96 bits: IPv4 addresses are not in it, not in ::/0 either */
};

/** AF_UNSPEC unless addr[len] is IPv4 or IPv6. */
void address_copy(union address *to, const struct sockaddr *addr, socklen_t len);

/** `raw` is an in_addr (AF_INET) or an in6_addr; an IPv4 one as v4-mapped (RFC 4291, section
 * 2.5.5.2). */
struct in6_addr address_in6(int family, const void *raw);

/** 0.0.0.0 or ::, also as a v4-mapped one: not a host. */
bool address_is_unspecified(const union address *addr);

/** Host and port; false where one is not known. */
bool address_is_same(const union address *a, const union address *b);

/** In host order; 0 where it is not known. */
uint16_t address_port(const union address *addr);

/** "127.0.0.1:80", "[::1]:80" (RFC 5952); of a known address. */
void address_text(struct text *text, const union address *addr);

/** Of a known address. */
struct bits128 address_bits(const union address *addr);

static inline bool address_in(struct bits128 addr, const struct cidr *cidr)
{
    bool v4 = addr.high == 0 && addr.low >> 32 == 0xffff;
    return ((addr.high ^ cidr->network.high) & cidr->mask.high) == 0 &&
           ((addr.low ^ cidr->network.low) & cidr->mask.low) == 0 && !(v4 && cidr->wide);
}

/** inet_pton(), or what the library found in its place (next_own()). */
extern int (*address_pton)(int family, const char *s, void *to)
    __attribute__((visibility("hidden")));

/** "10.0.0.0/8", "2001:db8::/32", or a single address; bits beyond the prefix are ignored. */
bool address_parse_cidr(const char *s, struct cidr *cidr);

#endif
