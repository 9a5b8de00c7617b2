#include "policy/address.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

_Static_assert(offsetof(struct sockaddr_in, sin_port) ==
                   offsetof(struct sockaddr_in6, sin6_port),
               "the port is at the same place in both families");

int (*address_pton)(int family, const char *s, void *to) = inet_pton;

static void text_in4(struct text *text, const uint8_t *bytes)
{
    for (int i = 0; i < 4; i++) {
        text_str(text, i > 0 ? "." : "");
        text_number(text, bytes[i], 1);
    }
}

/** Where the longest run of two or more zero groups begins and ends (RFC 5952, section 4.2). */
static void longest_zeros(const uint16_t *groups, int *begin, int *end)
{
    *begin = *end = -1;
    for (int i = 0; i < 8; i++) {
        int j = i;
        while (j < 8 && groups[j] == 0)
            j++;
        if (j - i >= 2 && j - i > *end - *begin) {
            *begin = i;
            *end = j;
        }
        i = j > i ? j : i;
    }
}

static void text_in6(struct text *text, const struct in6_addr *addr)
{
    uint16_t groups[8];
    for (int i = 0; i < 8; i++)
        groups[i] = ntohs(addr->s6_addr16[i]);
    int begin, end;
    longest_zeros(groups, &begin, &end);
    for (int i = 0; i < 8; i++) {
        if (i == begin) {
            text_str(text, "::");
            i = end - 1;
            continue;
        }
        if (i > 0 && i != end)
            text_char(text, ':');
        text_hex(text, groups[i]);
    }
}

bool address_is_unspecified(const union address *addr)
{
    if (addr->any.sa_family != AF_INET6)
        return addr->in.sin_addr.s_addr == INADDR_ANY;
    const struct in6_addr *in6 = &addr->in6.sin6_addr;
    return IN6_IS_ADDR_UNSPECIFIED(in6) ||
           (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr32[3] == INADDR_ANY);
}

struct in6_addr address_in6(int family, const void *raw)
{
    struct in6_addr in6 = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    if (family == AF_INET6)
        memcpy(&in6, raw, sizeof(in6));
    else
        memcpy(&in6.s6_addr[12], raw, sizeof(struct in_addr));
    return in6;
}

bool address_is_same(const union address *a, const union address *b)
{
    if (a->any.sa_family == AF_UNSPEC || b->any.sa_family == AF_UNSPEC ||
        address_port(a) != address_port(b))
        return false;
    struct bits128 x = address_bits(a), y = address_bits(b);
    bool scoped = a->any.sa_family == AF_INET6 && b->any.sa_family == AF_INET6;
    return x.high == y.high && x.low == y.low &&
           (!scoped || a->in6.sin6_scope_id == b->in6.sin6_scope_id);
}

void address_copy(union address *to, const struct sockaddr *addr, socklen_t len)
{
    to->any.sa_family = AF_UNSPEC;
    if (addr && len >= sizeof(struct sockaddr_in) && addr->sa_family == AF_INET)
        memcpy(&to->in, addr, sizeof(to->in));
    else if (addr && len >= sizeof(struct sockaddr_in6) && addr->sa_family == AF_INET6)
        memcpy(&to->in6, addr, sizeof(to->in6));
}

uint16_t address_port(const union address *addr)
{
    if (addr->any.sa_family == AF_UNSPEC)
        return 0;
    return ntohs(addr->in.sin_port); /* at the same place in both families */
}

void address_text(struct text *text, const union address *addr)
{
    if (addr->any.sa_family == AF_INET) {
        text_in4(text, (const uint8_t *)&addr->in.sin_addr);
    } else if (IN6_IS_ADDR_V4MAPPED(&addr->in6.sin6_addr)) {
        text_in4(text, &addr->in6.sin6_addr.s6_addr[12]);
    } else {
        text_char(text, '[');
        text_in6(text, &addr->in6.sin6_addr);
        text_char(text, ']');
    }
    text_char(text, ':');
    text_number(text, address_port(addr), 1);
}

static struct bits128 bits_of(const struct in6_addr *in6)
{
    struct bits128 bits = {0, 0};
    for (unsigned i = 0; i < 8; i++) {
        bits.high = bits.high << 8 | in6->s6_addr[i];
        bits.low = bits.low << 8 | in6->s6_addr[i + 8];
    }
    return bits;
}

struct bits128 address_bits(const union address *addr)
{
    bool six = addr->any.sa_family == AF_INET6;
    struct in6_addr in6 = address_in6(
        addr->any.sa_family, six ? (const void *)&addr->in6.sin6_addr : &addr->in.sin_addr);
    return bits_of(&in6);
}

/** The bits behind the slash, 0 to most, or `most` where there is none; -1 when they are bad.
 */
static int prefix_bits(const char *slash, int most)
{
    if (!slash)
        return most;
    int bits = 0;
    const char *p = slash + 1;
    for (; *p >= '0' && *p <= '9' && bits <= most; p++)
        bits = bits * 10 + (*p - '0');
    return *p || p == slash + 1 || bits > most ? -1 : bits;
}

/** The first `count` of 64. */
static uint64_t first_bits(int count)
{
    return count <= 0 ? 0 : count >= 64 ? UINT64_MAX : UINT64_MAX << (64 - count);
}

bool address_parse_cidr(const char *s, struct cidr *cidr)
{
    char network[INET6_ADDRSTRLEN];
    const char *slash = text_find(s, '/');
    size_t len = slash ? (size_t)(slash - s) : strlen(s);
    if (len >= sizeof(network))
        return false;
    memcpy(network, s, len);
    network[len] = '\0';
    struct in_addr in;
    struct in6_addr in6;
    int bits;
    if (address_pton(AF_INET, network, &in) == 1) {
        in6 = address_in6(AF_INET, &in);
        bits = prefix_bits(slash, 32);
        bits += bits < 0 ? 0 : 96;
    } else if (address_pton(AF_INET6, network, &in6) == 1) {
        bits = prefix_bits(slash, 128);
    } else {
        return false;
    }
    cidr->network = bits_of(&in6);
    cidr->mask = (struct bits128){first_bits(bits), first_bits(bits - 64)};
    cidr->wide = bits < 96;
    return bits >= 0;
}
