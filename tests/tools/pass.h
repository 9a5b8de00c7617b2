/*
 * pass: an fd through a UNIX socket by SCM_RIGHTS (unix(7)), for the programs of the tests.
 */
#ifndef PASS_H
#define PASS_H

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

static inline bool pass_send(int channel, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    *head = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &fd, sizeof(fd));
    return sendmsg(channel, &msg, 0) == 1;
}

/** The fd that was passed, or -1. */
static inline int pass_receive(int channel)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    int fd = -1;
    if (recvmsg(channel, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
    return fd;
}

#endif
