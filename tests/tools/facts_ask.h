/*
 * facts about what sock_diag tells any user: one socket, many in one call, all that match.
 */
#ifndef FACTS_ASK_H
#define FACTS_ASK_H

#include "facts.h"

#include "facts_ports.h"

#define AT_ONCE 32

struct question {
    struct nlmsghdr head;
    struct inet_diag_req_v2 ask;
};

static struct question question(uint16_t flags, uint32_t states)
{
    struct question q = {
        .head = {sizeof(q), SOCK_DIAG_BY_FAMILY, (uint16_t)(NLM_F_REQUEST | flags), 0, 0},
        .ask = {
            .sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = states}};
    return q;
}

static int diag_socket(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    HOLDS(fd >= 0);
    return fd;
}

/** All entries of this state towards this port: their number; what is told of them. */
static int dump(uint32_t state, in_port_t port, struct inet_diag_msg *found, int most)
{
    struct question q = question(NLM_F_DUMP, 1U << state);
    static char reply[32768] __attribute__((aligned(8)));
    int fd = diag_socket(), count = 0;
    q.ask.id.idiag_dport = port;
    HOLDS(send(fd, &q, sizeof(q), 0) == sizeof(q));
    for (;;) {
        ssize_t n = recv(fd, reply, sizeof(reply), MSG_DONTWAIT);
        HOLDS(n > 0);
        for (size_t at = 0; at < (size_t)n;) {
            struct nlmsghdr *message = (void *)(reply + at);
            HOLDS(message->nlmsg_type != NLMSG_ERROR && message->nlmsg_len >= NLMSG_HDRLEN);
            if (message->nlmsg_type == NLMSG_DONE) {
                close(fd);
                return count;
            }
            HOLDS(count < most);
            found[count++] = *(struct inet_diag_msg *)NLMSG_DATA(message);
            at += NLMSG_ALIGN(message->nlmsg_len);
        }
    }
}

/* What the unprivileged process looks at. */
static struct pair older, younger, orphan;

static void one_by_one(void)
{
    HOLDS(kept_here(&older) == TCP_TIME_WAIT && kept_here(&orphan) == TCP_FIN_WAIT2);
}

/** Many look-ups in one send and one recvmmsg(), answered in their order: the two entries, and
 * by turns what is not there. */
static void many_at_once(void)
{
    static struct question q[AT_ONCE];
    static char replies[AT_ONCE][1024] __attribute__((aligned(8)));
    static struct mmsghdr messages[AT_ONCE];
    static struct iovec parts[AT_ONCE];
    int fd = diag_socket();
    for (unsigned i = 0; i < AT_ONCE; i++) {
        const struct pair *p = i % 3 == 1 ? &orphan : &older;
        q[i] = question(0, UINT32_MAX);
        q[i].head.nlmsg_seq = i;
        q[i].ask.id = (struct inet_diag_sockid){
            .idiag_sport = p->from.sin_port,
            .idiag_dport = i % 3 == 2 ? htons(1) : p->to.sin_port,
            .idiag_src = {p->from.sin_addr.s_addr},
            .idiag_dst = {p->to.sin_addr.s_addr},
            .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE},
        };
        parts[i] = (struct iovec){replies[i], sizeof(replies[i])};
        messages[i].msg_hdr.msg_iov = &parts[i], messages[i].msg_hdr.msg_iovlen = 1;
    }
    HOLDS(send(fd, q, sizeof(q), 0) == sizeof(q));
    HOLDS(recvmmsg(fd, messages, AT_ONCE, MSG_DONTWAIT, NULL) == AT_ONCE);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        struct nlmsghdr *head = (void *)replies[i];
        struct inet_diag_msg *answer = NLMSG_DATA(head);
        HOLDS(head->nlmsg_seq == i);
        if (i % 3 == 2)
            HOLDS(((struct nlmsgerr *)NLMSG_DATA(head))->error == -ENOENT);
        else
            HOLDS(answer->idiag_state == (i % 3 ? TCP_FIN_WAIT2 : TCP_TIME_WAIT));
    }
    close(fd);
}

/** A dump with a filter tells only what matches, and by idiag_expires, in ms, how long an entry
 * of TIME_WAIT has still to live, of 60 s. */
static void dumped(void)
{
    struct inet_diag_msg found[4] = {{0}};
    HOLDS(dump(TCP_TIME_WAIT, orphan.to.sin_port, found, 4) == 0);
    HOLDS(dump(TCP_TIME_WAIT, younger.to.sin_port, found, 4) == 1);
    HOLDS(dump(TCP_TIME_WAIT, older.to.sin_port, found + 1, 3) == 1);
    HOLDS(found[0].id.idiag_sport == younger.from.sin_port);
    HOLDS(found[1].id.idiag_sport == older.from.sin_port);
    printf("to live: %u and %u ms\n", found[0].idiag_expires, found[1].idiag_expires);
    HOLDS(found[0].idiag_expires <= 60000 && found[1].idiag_expires > 0);
    HOLDS(found[0].idiag_expires >= found[1].idiag_expires + 150);
}

/** Any user may ask sock_diag; it tells TIME_WAIT from FIN_WAIT2, and an entry's age. */
static void fact_17(void)
{
    older = in_time_wait(true), orphan = orphan_in_fin_wait2();
    sleep_ms(200);
    younger = in_time_wait(true);
    without_privilege(one_by_one);
    without_privilege(many_at_once);
    without_privilege(dumped);
}

#endif
