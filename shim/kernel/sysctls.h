/*
 * sysctls: what the network namespace is configured to do with local ports.
 *
 * Owns: reading it from /proc, by raw system calls.
 */
#ifndef SYSCTLS_H
#define SYSCTLS_H

#include <stdint.h>

struct sysctls {
    uint16_t low, high; /* ip_local_port_range */
    uint8_t tw_reuse;   /* tcp_tw_reuse (fact 11) */
};

/** Where /proc tells nothing: every port from 1024 on, and the kernel's default of 2. */
struct sysctls sysctls_read(void);

#endif
