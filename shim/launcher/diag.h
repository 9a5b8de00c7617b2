/*
 * diag: TCP sockets, as the kernel tells of them (sock_diag(7)).
 *
 * Owns: the netlink conversation. Of all sockets in the network namespace, TIME_WAIT entries
 * included; an entry is removed by SOCK_DESTROY, which sends nothing (fact 8).
 */
#ifndef DIAG_H
#define DIAG_H

#include "policy.h"
#include "tuples.h"

#include <stdbool.h>
#include <stdint.h>

/** As struct inet_diag_sockid of linux/inet_diag.h, which not every libc comes with. */
struct diag_id {
    uint16_t local_port, peer_port; /* these two in network order */
    uint32_t local[4], peer[4];
    uint32_t interface;
    uint32_t cookie[2];
};

struct diag_socket {
    uint8_t family;
    enum tcp_state state;
    uint32_t expires_ms; /* until the timer that runs, in TIME_WAIT: to its end */
    struct diag_id id;
    struct tuple tuple; /* the same addresses */
};

/** What is handed to diag_each(). */
typedef void diag_visit(const struct diag_socket *socket, void *context);

/** An fd for the functions below, or -1 with errno. */
int diag_open(void);

/** Visits every TCP socket whose state's bit (1 << STATE_...) is set. False with errno. */
bool diag_each(int diag, unsigned states, diag_visit *visit, void *context);

/**
 * Destroys the socket, by its cookie: never a later one of the same addresses. 0 or an errno:
 * ENOENT it is gone, EPERM not permitted, EOPNOTSUPP the kernel cannot.
 */
int diag_destroy(int diag, const struct diag_socket *socket);

#endif
