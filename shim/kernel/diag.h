/*
 * diag: TCP sockets, as the kernel tells of them (sock_diag(7)).
 *
 * Owns: the netlink conversation. Of all sockets in the network namespace, TIME_WAIT entries
 * included; an entry is removed by SOCK_DESTROY, which sends nothing (fact 8).
 * Of the library and the launcher: raw system calls (kernel/raw.h), which no hook sees and no
 * cancellation ends; nothing waits; no malloc, but one buffer, so that a process may hold one
 * conversation at a time.
 */
#ifndef DIAG_H
#define DIAG_H

#include "policy/address.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stddef.h>
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
    uint32_t unread;     /* bytes that were received and not read */
    struct diag_id id;
};

/** What is handed to diag_each(). */
typedef void diag_visit(const struct diag_socket *socket, void *context);

/** An fd for the functions below, or -1 with errno. */
int diag_open(void);

/**
 * The same with a netlink address of its own, which one socket of the network namespace at a
 * time can have: a lock, let go by diag_close(). errno EADDRINUSE: another holds it.
 */
int diag_open_as(uint32_t port);

void diag_close(int diag);

/** In the child of a fork: closes what another thread had open at that moment. */
void diag_reset(void);

/** Visits every TCP socket whose state's bit (1 << STATE_...) is set. False with errno. */
bool diag_each(int diag, unsigned states, diag_visit *visit, void *context);

/**
 * The same for the sockets of the family whose peer is that of *peer: where its own family is
 * AF_INET, AF_INET6 gives the v4-mapped ones.
 */
bool diag_each_to(int diag, const struct diag_socket *peer, uint8_t family, unsigned states,
                  diag_visit *visit, void *context);

/** How many diag_look() takes. */
#define DIAG_BATCH 16

/**
 * Finds sockets[count] by their addresses, whatever their cookies, in two system calls. What is
 * not there gets STATE_CLOSE. AF_INET finds v4-mapped ones, too. False: the kernel did not
 * tell.
 */
bool diag_look(int diag, struct diag_socket *sockets, size_t count);

uint64_t diag_cookie(const struct diag_socket *socket);

/**
 * Destroys the socket, by its cookie: never a later one of the same addresses. 0 or an errno:
 * ENOENT it is gone, EPERM not permitted, EOPNOTSUPP the kernel cannot.
 */
int diag_destroy(int diag, const struct diag_socket *socket);

#endif
