/*
 * watch: what becomes of the connections of this network namespace, second by second.
 *
 * Owns: the counts by service: how many TIME_WAIT entries there are and come anew, whose side
 * they are on, how many connections are open, and where peers on this host leave input unread.
 * From lists of the kernel's sockets (diag.h): no program is touched, and what begins and ends
 * between two of them is seen by the entry that it leaves.
 */
#ifndef WATCH_H
#define WATCH_H

#include "kernel/diag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A service that connections of this host go to. */
struct service {
    uint8_t family;
    struct diag_id id;   /* its address and port are the peer's */
    bool wanted;         /* the process that is asked about has been seen to connect to it */
    unsigned time_wait;  /* entries on our side, at the last look */
    unsigned most;       /* at any look */
    uint64_t made;       /* entries that came while we watched */
    unsigned open, used; /* connections, and local ports of the range, at the last look */
    uint64_t open_sum;   /* over all looks */
    unsigned behind;     /* its sockets here that had unread input, at most */
    bool here;           /* its sockets are of this host: both ends are seen */
    unsigned both;       /* at most so many were closed by both sides at once (RFC 9293, 3.6) */
    unsigned both_now;
};

struct watched {
    struct service *services;
    size_t count, room;
    unsigned looks;
    int64_t begun_ns, last_ns;
    uint64_t server_time_wait; /* entries of our own servers, which closed first, or as soon as
                                  their clients */
    unsigned behind[65536];    /* by the port of a server here, at the last look */
};

/** Looks once. False where the kernel does not tell. */
bool watch_look(struct watched *watched, int diag);

/** A connection of the process that is asked about. */
void watch_mark(struct watched *watched, const union address *peer);

/** The service with the most entries that come anew, of those that have fewer than `behind` has
 * (NULL: of all); NULL: there is none. Where some are wanted, of these. */
const struct service *watch_busiest(const struct watched *watched,
                                    const struct service *behind);

/** For how many seconds. */
double watch_seconds(const struct watched *watched);

/** "127.0.0.1:80" */
void watch_service_text(struct text *text, const struct service *service);

/** It is on this host: 127.0.0.0/8 or ::1. */
bool watch_is_loopback(const struct service *service);

#endif
