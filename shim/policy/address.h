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

/** A network; an IPv4 one is v4-mapped, its bits counted from 96. */
struct cidr {
    struct in6_addr network;
    unsigned bits; /* 0-128 */
};

/** AF_UNSPEC unless addr[len] is IPv4 or IPv6. */
void address_copy(union address *to, const struct sockaddr *addr, socklen_t len);

/** `raw` is an in_addr (AF_INET) or an in6_addr; an IPv4 one as v4-mapped (RFC 4291, section
 * 2.5.5.2). */
struct in6_addr address_in6(int family, const void *raw);

/** 0.0.0.0 or ::, also as a v4-mapped one: not a host. */
bool address_is_unspecified(const union address *addr);

/** In host order; 0 where it is not known. */
uint16_t address_port(const union address *addr);

/** "127.0.0.1:80", "[::1]:80" (RFC 5952); of a known address. */
void address_text(struct text *text, const union address *addr);

/** An IPv4 address is in no IPv6 network, not in ::/0 either. */
bool address_in(const union address *addr, const struct cidr *cidr);

/** inet_pton(), or what the library found in its place (next_own()). */
extern int (*address_pton)(int family, const char *s, void *to)
    __attribute__((visibility("hidden")));

/** "10.0.0.0/8", "2001:db8::/32", or a single address; bits beyond the prefix are ignored. */
bool address_parse_cidr(const char *s, struct cidr *cidr);

#endif
