/*
 * sysctls: what the network namespace is configured to do with local ports.
 *
 * Owns: reading it from /proc, by raw system calls.
 */
#ifndef SYSCTLS_H
#define SYSCTLS_H

#include <stdbool.h>
#include <stdint.h>

struct sysctls {
    uint16_t low, high; /* ip_local_port_range */
    uint8_t tw_reuse;   /* tcp_tw_reuse (fact 11) */
};

/** Where /proc tells nothing: every port from 1024 on, and the kernel's default of 2. */
struct sysctls sysctls_read(void);

struct port_set {
    uint64_t bits[65536 / 64];
};

static inline bool port_is_in(const struct port_set *set, uint16_t port)
{
    return set->bits[port / 64] >> port % 64 & 1;
}

static inline void port_put(struct port_set *set, uint16_t port)
{
    set->bits[port / 64] |= UINT64_C(1) << port % 64;
}

/** ip_local_reserved_ports, which connect() chooses none of. False: not known. */
bool sysctls_read_reserved(struct port_set *reserved);

#endif
