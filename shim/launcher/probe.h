/*
 * probe: whether SOCK_DESTROY works here. It is tried on sockets of our own.
 */
#ifndef PROBE_H
#define PROBE_H

enum probe {
    PROBE_POSSIBLE,      /* TIME_WAIT entries can be removed */
    PROBE_NOT_PERMITTED, /* no CAP_NET_ADMIN over the network namespace */
    PROBE_NO_TIME_WAIT,  /* permitted, but this kernel only destroys other sockets */
    PROBE_NO_KERNEL,     /* the kernel has no SOCK_DESTROY (CONFIG_INET_DIAG_DESTROY) */
    PROBE_UNKNOWN,       /* it could not be tried, for example without a loopback address */
};

enum probe probe_destroy(void);

#endif
