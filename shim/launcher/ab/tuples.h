/*
 * tuples: a set of connections, by their addresses and ports.
 *
 * An IPv4 address and the same one v4-mapped are one. No system call.
 */
#ifndef TUPLES_H
#define TUPLES_H

#include "kernel/diag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** IPv4 addresses are v4-mapped; ports in host order. */
struct tuple {
    struct in6_addr local, peer;
    uint16_t local_port, peer_port;
};

/** Zeroed, it is empty. */
struct tuples {
    struct tuple *all;
    size_t count, room;
    bool sorted;
};

/** The addresses of a socket that the kernel told of. */
struct tuple tuple_of(const struct diag_socket *socket);

/** Parses "127.0.0.1:80" or "[::1]:80" (the log's form), up to a '"'; false for anything else.
 */
bool tuple_parse(const char *s, struct in6_addr *address, uint16_t *port);

void tuples_add(struct tuples *tuples, const struct tuple *tuple);
void tuples_add_all(struct tuples *tuples, const struct tuples *others);

/** The tuple's index, which is good until the next is added; -1 where it is not in the set. */
ptrdiff_t tuples_find(struct tuples *tuples, const struct tuple *tuple);

/** Makes it empty. */
void tuples_clear(struct tuples *tuples);

#endif
