/* takeover's own ports: those that a worker has used, taken over by hand, the oldest first. */
#ifndef TAKEOVER_PORTS_H
#define TAKEOVER_PORTS_H

#include "takeover_stream.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

enum { MAX_OWN = 1000, TIME_WAIT = 6, TIME_WAIT_MS = 60000, PATIENCE_MS = 20000 };

static long least_age_ms = 1000;

/* A worker's, as a queue. */
struct ports {
    in_port_t port[MAX_OWN]; /* in network order */
    struct in_addr from;
    long first, count;
};

/* --- sock_diag --- */

static struct inet_diag_req_v2 question(const struct ports *own, in_port_t port,
                                        const struct sockaddr_in *to)
{
    struct inet_diag_req_v2 q = {
        .sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = (uint32_t)-1};

    q.id.idiag_sport = port;
    q.id.idiag_dport = to->sin_port;
    q.id.idiag_src[0] = own->from.s_addr;
    q.id.idiag_dst[0] = to->sin_addr.s_addr;
    q.id.idiag_cookie[0] = q.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return q;
}

/* The age of its TIME_WAIT in ms; -1: it is in no such state. (FIN_WAIT2 without a socket is a
 * time-wait bucket, too: idiag_state tells.) */
static long age_of(const struct ports *own, in_port_t port, const struct sockaddr_in *to)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 q;
    } request = {{sizeof request, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0},
                 question(own, port, to)};
    union {
        struct nlmsghdr head;
        char bytes[4096];
    } answer = {0};
    const struct inet_diag_msg *socket_of = NLMSG_DATA(&answer.head);
    int diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    ssize_t n = send(diag, &request, sizeof request, 0);

    n = n < 0 ? n : recv(diag, &answer, sizeof answer, 0);
    (void)close(diag);
    if (n < 0 || answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        socket_of->idiag_state != TIME_WAIT)
        return -1;
    return TIME_WAIT_MS - (long)socket_of->idiag_expires;
}

/* --- the queue --- */

static bool wait_for_age(const struct ports *own, in_port_t port, const struct sockaddr_in *to)
{
    for (int64_t end = now() + PATIENCE_MS * INT64_C(1000); now() < end; (void)usleep(1000))
        if (age_of(own, port, to) >= least_age_ms)
            return true;
    return false;
}

/* Binds to the oldest, when there are as many as there may be; false: the kernel is to choose.
 */
static bool bind_own(struct ports *own, int fd, const struct sockaddr_in *to, long most)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = own->from};
    int one = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (own->count < most)
        return false;
    at.sin_port = own->port[own->first++ % MAX_OWN];
    own->count--;
    return wait_for_age(own, at.sin_port, to) &&
           bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
}

/* Before it is closed. */
static void note_own(struct ports *own, int fd)
{
    struct sockaddr_in at = {0};
    socklen_t size = sizeof at;

    if (getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        die("getsockname");
    own->from = at.sin_addr;
    if (own->count < MAX_OWN)
        own->port[(own->first + own->count++) % MAX_OWN] = at.sin_port;
}

#endif
