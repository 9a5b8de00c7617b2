#include "kernel/diag.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h, which not every libc's headers
 * come with. */
#define NETLINK_SOCK_DIAG   4
#define NLMSG_ERROR         2
#define NLMSG_DONE          3
#define NLM_F_REQUEST       0x1
#define NLM_F_ACK           0x4
#define NLM_F_DUMP          0x300
#define SOCK_DIAG_BY_FAMILY 20
#define SOCK_DESTROY        21

struct message_header {
    uint32_t len;
    uint16_t type, flags;
    uint32_t sequence, port;
};

struct diag_request {
    struct message_header header;
    uint8_t family, protocol, extensions, pad;
    uint32_t states;
    struct diag_id id;
};

struct diag_reply {
    uint8_t family, state, timer, retransmits;
    struct diag_id id;
    uint32_t expires_ms, receive_queue, write_queue, uid, inode;
};

int diag_open(void)
{
    int diag = (int)syscall(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (diag < 0 || diag > STDERR_FILENO)
        return diag;
    int higher = (int)syscall(SYS_fcntl, diag, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    syscall(SYS_close, diag);
    return higher;
}

void diag_close(int diag)
{
    syscall(SYS_close, diag);
}

static bool request(int diag, uint16_t type, uint16_t flags, uint8_t family, unsigned states,
                    const struct diag_id *id)
{
    struct diag_request message = {
        .header = {.len = sizeof(message), .type = type, .flags = flags | NLM_F_REQUEST},
        .family = family,
        .protocol = IPPROTO_TCP,
        .states = states,
    };
    if (id)
        message.id = *id;
    /* The kernel's own address: of no use where another thread has closed our fd for us. */
    static const struct {
        uint16_t family, pad;
        uint32_t port, groups;
    } kernel = {.family = AF_NETLINK};
    return syscall(SYS_sendto, diag, &message, sizeof(message), MSG_NOSIGNAL, &kernel,
                   sizeof(kernel)) == (long)sizeof(message);
}

static void visit_reply(const struct diag_reply *reply, diag_visit *visit, void *context)
{
    struct diag_socket socket = {
        .family = reply->family,
        .state = (enum tcp_state)reply->state,
        .expires_ms = reply->expires_ms,
        .id = reply->id,
    };
    visit(&socket, context);
}

/** An NLMSG_ERROR's errno: 0 where it is an acknowledgement. */
static int error_of(const struct message_header *message)
{
    int error = -EBADMSG;
    if (message->len >= sizeof(*message) + sizeof(error))
        memcpy(&error, message + 1, sizeof(error));
    return -error;
}

/** The messages of buf[len]. 1: there are more to come, 0: that was the last, -1 with errno. */
static int take_messages(const char *buf, size_t len, diag_visit *visit, void *context)
{
    size_t at = 0;
    while (at + sizeof(struct message_header) <= len) {
        const struct message_header *message = (const void *)(buf + at);
        if (message->len < sizeof(*message) || message->len > len - at)
            break;
        if (message->type == NLMSG_DONE)
            return 0;
        if (message->type == NLMSG_ERROR) {
            errno = error_of(message);
            return errno ? -1 : 0;
        }
        if (message->len >= sizeof(*message) + sizeof(struct diag_reply))
            visit_reply((const void *)(message + 1), visit, context);
        at += (message->len + 3) & ~3u;
    }
    return 1;
}

static void ignore(const struct diag_socket *socket, void *context)
{
    (void)socket;
    (void)context;
}

/** The kernel answers while it is asked (netlink_rcv_skb(), netlink_dump()): no wait. */
static bool receive(int diag, diag_visit *visit, void *context)
{
    static _Alignas(
        struct message_header) char buf[1 << 15]; /* what the kernel fills at most */
    for (;;) {
        long len = syscall(SYS_recvfrom, diag, buf, sizeof(buf), MSG_DONTWAIT, NULL, NULL);
        if (len < 0 && errno == EINTR)
            continue;
        int more = len < 0 ? -1 : take_messages(buf, (size_t)len, visit, context);
        if (more <= 0)
            return more == 0;
    }
}

bool diag_each(int diag, unsigned states, diag_visit *visit, void *context)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < sizeof(families); i++)
        if (!request(diag, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, families[i], states, NULL) ||
            !receive(diag, visit, context))
            return false;
    return true;
}

static void take_reply(const struct diag_socket *reply, void *socket)
{
    *(struct diag_socket *)socket = *reply;
}

bool diag_find(int diag, struct diag_socket *socket)
{
    return request(diag, SOCK_DIAG_BY_FAMILY, NLM_F_ACK, socket->family, 0, &socket->id) &&
           receive(diag, take_reply, socket);
}

static void put_address(uint32_t to[4], uint16_t *port, const union address *address)
{
    if (address->any.sa_family == AF_INET6)
        memcpy(to, &address->in6.sin6_addr, sizeof(address->in6.sin6_addr));
    else
        memcpy(to, &address->in.sin_addr, sizeof(address->in.sin_addr));
    *port = htons(address_port(address));
}

struct diag_socket diag_socket(const union address *local, const union address *peer,
                               uint64_t cookie)
{
    struct diag_socket socket = {.family = (uint8_t)local->any.sa_family};
    put_address(socket.id.local, &socket.id.local_port, local);
    put_address(socket.id.peer, &socket.id.peer_port, peer);
    socket.id.cookie[0] = (uint32_t)cookie;
    socket.id.cookie[1] = (uint32_t)(cookie >> 32);
    return socket;
}

uint64_t diag_cookie(const struct diag_socket *socket)
{
    return (uint64_t)socket->id.cookie[1] << 32 | socket->id.cookie[0];
}

int diag_destroy(int diag, const struct diag_socket *socket)
{
    static const uint32_t no_cookie[2] = {UINT32_MAX, UINT32_MAX}; /* INET_DIAG_NOCOOKIE */
    if (memcmp(socket->id.cookie, no_cookie, sizeof(no_cookie)) == 0)
        return EINVAL;
    bool done = request(diag, SOCK_DESTROY, NLM_F_ACK, socket->family, 0, &socket->id) &&
                receive(diag, ignore, NULL);
    return done ? 0 : errno;
}
