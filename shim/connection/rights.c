#include "connection/rights.h"

#include "connection/share.h"
#include "connection/table.h"
#include "kernel/libc.h"
#include "kernel/memory.h"
#include "kernel/process.h"
#include "policy/settings.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

/** Calls act for each fd of SCM_RIGHTS in control[len], whatever is in there, until it returns
 * true; so does this then. */
static bool each_fd(const char *control, size_t len, bool (*act)(int fd, int argument),
                    int argument)
{
    struct cmsghdr head;
    for (size_t at = 0, step; len - at >= sizeof(head); at += step) {
        memcpy(&head, control + at, sizeof(head));
        if (head.cmsg_len < sizeof(head) || head.cmsg_len > len - at)
            return false;
        bool rights = head.cmsg_level == SOL_SOCKET && head.cmsg_type == SCM_RIGHTS;
        for (size_t i = CMSG_LEN(0); rights && i + sizeof(int) <= head.cmsg_len;
             i += sizeof(int)) {
            int fd;
            memcpy(&fd, control + at + i, sizeof(fd));
            if (act(fd, argument))
                return true;
        }
        step = CMSG_ALIGN((size_t)head.cmsg_len);
        if (step > len - at)
            return false;
    }
    return false;
}

/** Only a UNIX socket passes fds: others take whatever control data there is (MPTCP). */
static bool is_unix(int fd)
{
    int saved = errno;
    int domain = 0;
    socklen_t len = sizeof(domain);
    bool yes =
        next.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
    errno = saved;
    return yes;
}

static bool is_any(int fd, int argument)
{
    (void)fd;
    (void)argument;
    return true;
}

static bool mark_shared(int fd, int argument)
{
    (void)argument;
    struct conn *c = process_is_ours() ? table_find(fd) : NULL;
    if (c)
        conn_mark(c, CONN_SHARED);
    return false;
}

static bool forget(int fd, int argument)
{
    (void)argument;
    share_forget(fd);
    return false;
}

/** The kernel has read msg and its control data: both are there. */
void rights_sent(int fd, const struct msghdr *msg)
{
    const char *control = msg->msg_control;
    size_t len = (size_t)msg->msg_controllen;
    if (settings.active && process_may_act() && control && each_fd(control, len, is_any, 0) &&
        is_unix(fd))
        each_fd(control, len, mark_shared, 0);
}

/** The kernel has written the control data, whatever the socket. */
void rights_received(const struct msghdr *msg)
{
    if (msg->msg_control)
        each_fd(msg->msg_control, (size_t)msg->msg_controllen, forget, 0);
}

/*
 * Who sends at this moment. With musl (hooks/cleanup.h), a thread that is cancelled in its
 * call, or jumps out of a signal handler, leaves its slot behind: what is read there later is
 * checked like any message, and where no slot is free, all sockets that exist count as shared.
 */

#define SENDERS 32

enum sender_state { SENDER_FREE, SENDER_BEGINS, SENDER_SENDS };

struct sender {
    _Atomic uint32_t state;
    _Atomic uint32_t many; /* messages at `messages`, as of sendmmsg(); 0: one */
    const void *_Atomic messages;
};

static struct sender senders[SENDERS];
static _Atomic uint32_t sending; /* the slots that were ever in use: the first ones */

#define FEW 8 /* messages that are looked at one by one */

/** None has control data, in which fds could be. */
static bool are_plain(const char *at, unsigned many)
{
    struct msghdr msg = {0};
    size_t size = many ? sizeof(struct mmsghdr) : sizeof(msg);
    bool plain = many <= FEW;
    int saved = errno;
    for (unsigned i = 0; plain && i < (many ? many : 1); i++)
        plain = memory_read(&msg, at + i * size, sizeof(msg)) == MEMORY_READ &&
                msg.msg_controllen == 0;
    errno = saved;
    return plain;
}

static int begin(const void *messages, unsigned many)
{
    if (!settings.active || !process_may_act())
        return -1;
    for (uint32_t i = 0; i < SENDERS; i++) {
        uint32_t state = SENDER_FREE;
        if (!atomic_compare_exchange_strong(&senders[i].state, &state, SENDER_BEGINS))
            continue;
        uint32_t used = atomic_load(&sending);
        while (used <= i && !atomic_compare_exchange_weak(&sending, &used, i + 1))
            ;
        atomic_store(&senders[i].messages, messages);
        atomic_store(&senders[i].many, many);
        atomic_store(&senders[i].state, SENDER_SENDS);
        process_wait_for_holders(); /* who held before has not seen this */
        return (int)i;
    }
    if (!are_plain(messages, many))
        process_sharing();
    return -1;
}

int rights_sending(const struct msghdr *msg)
{
    return begin(msg, 0);
}

int rights_sending_many(const struct mmsghdr *msgs, unsigned count)
{
    return count > 0 ? begin(msgs, count) : -1;
}

void rights_done(int sender)
{
    if (sender >= 0)
        atomic_store(&senders[sender].state, SENDER_FREE);
}

void rights_left(void *sender)
{
    rights_done(*(const int *)sender);
}

void rights_in_child(void)
{
    for (uint32_t i = 0; i < SENDERS; i++)
        atomic_store(&senders[i].state, SENDER_FREE);
    atomic_store(&sending, 0);
}

static bool is_same_fd(int fd, int argument)
{
    return fd == argument;
}

/**
 * Whether the message has fd. What cannot be read the kernel has not read either; true where
 * reading is refused (seccomp), or the message is uncommonly long: doubt resets nothing.
 */
static bool may_have(const void *at, int fd)
{
    struct msghdr msg;
    char control[2048]; /* more than SCM_MAX_FD, 253, need */
    enum memory memory = memory_read(&msg, at, sizeof(msg));
    if (memory != MEMORY_READ)
        return memory == MEMORY_REFUSED;
    size_t len = (size_t)msg.msg_controllen;
    if (!msg.msg_control || len < sizeof(struct cmsghdr) || len > INT_MAX)
        return false; /* or ENOBUFS: ____sys_sendmsg() */
    memory =
        memory_read(control, msg.msg_control, len < sizeof(control) ? len : sizeof(control));
    if (memory != MEMORY_READ)
        return memory == MEMORY_REFUSED;
    return len > sizeof(control) || each_fd(control, len, is_same_fd, fd);
}

static bool sender_may_have(struct sender *sender, int fd)
{
    uint32_t state = atomic_load(&sender->state);
    if (state != SENDER_SENDS)
        return state == SENDER_BEGINS;
    uint32_t many = atomic_load(&sender->many);
    const char *at = atomic_load(&sender->messages);
    if (many == 0)
        return may_have(at, fd);
    for (uint32_t i = 0; i < many && i < FEW; i++, at += sizeof(struct mmsghdr))
        if (may_have(at, fd))
            return true;
    return many > FEW;
}

bool rights_in_flight(int fd)
{
    uint32_t used = atomic_load(&sending);
    int saved = errno;
    bool may = false;
    for (uint32_t i = 0; i < used && !may; i++)
        may = sender_may_have(&senders[i], fd);
    errno = saved;
    return may;
}
