#include "connection/rights.h"

#include "connection/table.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#ifndef __GLIBC__ /* in musl's CMSG_NXTHDR() */
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif

static void mark_shared(int fd)
{
    struct conn *c = table_find(fd);
    if (c)
        conn_mark(c, CONN_SHARED);
}

static void forget(int fd)
{
    table_set(fd, NULL);
}

static void each_fd(const struct msghdr *msg, void (*act)(int fd))
{
    struct msghdr *m = (struct msghdr *)(uintptr_t)msg; /* CMSG_NXTHDR only reads it */
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            act(fd);
        }
    }
}

void rights_sent(const struct msghdr *msg)
{
    if (msg->msg_control && msg->msg_controllen > 0)
        each_fd(msg, mark_shared);
}

void rights_received(const struct msghdr *msg)
{
    if (msg->msg_control && msg->msg_controllen > 0)
        each_fd(msg, forget);
}
