#include "kernel/diag.h"

#include "kernel/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
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

/* The kernel's address, and that of a socket. */
struct netlink_address {
    uint16_t family, pad;
    uint32_t port, groups;
};

/* As the kernel has them, for every machine: nothing but what is padded by name. */
_Static_assert(sizeof(struct message_header) == 16, "struct nlmsghdr");
_Static_assert(sizeof(struct diag_id) == 48, "struct inet_diag_sockid");
_Static_assert(sizeof(struct diag_request) == 16 + 56, "struct inet_diag_req_v2");
_Static_assert(sizeof(struct diag_reply) == 72, "struct inet_diag_msg");
_Static_assert(sizeof(struct netlink_address) == 12, "struct sockaddr_nl");

static const struct netlink_address kernel = {.family = AF_NETLINK};

/* A filter as INET_DIAG_REQ_BYTECODE takes it: one condition; what it does not accept jumps
 * beyond the end, which rejects (inet_diag_bc_run()). */
#define REQ_BYTECODE 1
#define BC_D_COND    8

struct diag_filter {
    uint16_t len, type;
    uint8_t code, yes;
    uint16_t no;
    uint8_t family, bits;
    uint16_t pad;
    int32_t port;
    uint32_t address[4];
};

/* The fd that is open, or -1: what another thread holds must not stay open in a fork's child,
 * where its netlink address (diag_open_as()) would stay taken, too. */
static _Atomic int conversation = -1;

int diag_open(void)
{
    int diag = raw_above_stderr(
        raw_call(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    atomic_store(&conversation, diag);
    return diag;
}

int diag_open_as(uint32_t port)
{
    int diag = diag_open();
    struct netlink_address self = {.family = AF_NETLINK, .port = port};
    if (diag < 0 || raw_call(SYS_bind, diag, &self, sizeof(self)) == 0)
        return diag;
    int error = errno;
    diag_close(diag);
    errno = error;
    return -1;
}

void diag_close(int diag)
{
    atomic_store(&conversation, -1);
    raw_call(SYS_close, diag);
}

void diag_reset(void)
{
    int diag = atomic_exchange(&conversation, -1);
    if (diag >= 0)
        raw_call(SYS_close, diag);
}

/** To the kernel's own address: of no use where another thread has closed our fd for us. */
static bool send_to_kernel(int diag, const void *message, size_t len)
{
    return raw_call(SYS_sendto, diag, message, len, MSG_NOSIGNAL, &kernel, sizeof(kernel)) ==
           (long)len;
}

static struct diag_request request_of(uint16_t type, uint16_t flags, uint8_t family,
                                      const struct diag_id *id)
{
    struct diag_request message = {
        .header = {.len = sizeof(message), .type = type, .flags = flags | NLM_F_REQUEST},
        .family = family,
        .protocol = IPPROTO_TCP,
    };
    if (id)
        message.id = *id;
    return message;
}

static bool request(int diag, uint16_t type, uint16_t flags, uint8_t family, unsigned states,
                    const struct diag_id *id)
{
    struct diag_request message = request_of(type, flags, family, id);
    message.states = states;
    return send_to_kernel(diag, &message, sizeof(message));
}

static struct diag_socket socket_of(const struct diag_reply *reply)
{
    return (struct diag_socket){
        .family = reply->family,
        .state = (enum tcp_state)reply->state,
        .expires_ms = reply->expires_ms,
        .unread = reply->receive_queue,
        .id = reply->id,
    };
}

/**
 * The errno of NLMSG_ERROR, 0 where it is an acknowledgement, and of NLMSG_DONE: a dump that
 * could not begin says so there (netlink_dump_done()).
 */
static int error_of(const struct message_header *message)
{
    int error = message->type == NLMSG_DONE ? 0 : -EBADMSG;
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
        if (message->type == NLMSG_DONE || message->type == NLMSG_ERROR) {
            errno = error_of(message);
            return errno ? -1 : 0;
        }
        if (message->len >= sizeof(*message) + sizeof(struct diag_reply)) {
            struct diag_socket socket = socket_of((const void *)(message + 1));
            visit(&socket, context);
        }
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
        long len = raw_call(SYS_recvfrom, diag, buf, sizeof(buf), MSG_DONTWAIT, NULL, NULL);
        if (len < 0 && errno == EINTR)
            continue;
        int more = len <= 0 ? -1 : take_messages(buf, (size_t)len, visit, context);
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

/** An IPv4 condition holds for v4-mapped sockets, too. */
static struct diag_filter filter_to(const struct diag_socket *peer)
{
    bool v4 = peer->family == AF_INET;
    size_t unused = v4 ? 3 * sizeof(uint32_t) : 0;
    struct diag_filter filter = {
        .len = (uint16_t)(sizeof(filter) - unused),
        .type = REQ_BYTECODE,
        .code = BC_D_COND,
        .family = peer->family,
        .bits = v4 ? 32 : 128,
        .port = ntohs(peer->id.peer_port),
    };
    filter.yes = (uint8_t)(filter.len - offsetof(struct diag_filter, code));
    filter.no = (uint16_t)(filter.yes + 4);
    memcpy(filter.address, peer->id.peer, sizeof(filter.address) - unused);
    return filter;
}

static bool dump_to(int diag, uint8_t family, unsigned states, const struct diag_filter *filter)
{
    struct {
        struct diag_request request;
        struct diag_filter filter;
    } message = {request_of(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family, NULL), *filter};
    message.request.states = states;
    message.request.header.len += filter->len;
    return send_to_kernel(diag, &message, message.request.header.len);
}

bool diag_each_to(int diag, const struct diag_socket *peer, uint8_t family, unsigned states,
                  diag_visit *visit, void *context)
{
    struct diag_filter filter = filter_to(peer);
    return dump_to(diag, family, states, &filter) && receive(diag, visit, context);
}

/* What one look-up is answered by, as far as it is read: a reply, or an error with the request
 * that it is for. */
struct answer {
    struct message_header header;
    union {
        struct diag_reply reply;
        int32_t error;
    } u;
};

/* One thread at a time, as with receive()'s buffer. */
static struct {
    struct diag_request requests[DIAG_BATCH];
    struct answer answers[DIAG_BATCH];
    struct iovec parts[DIAG_BATCH];
    struct mmsghdr messages[DIAG_BATCH];
} batch;

static bool ask_batch(int diag, const struct diag_socket *sockets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        batch.requests[i] =
            request_of(SOCK_DIAG_BY_FAMILY, 0, sockets[i].family, &sockets[i].id);
        batch.requests[i].header.sequence = (uint32_t)i;
        memset(batch.requests[i].id.cookie, 0xff, sizeof(batch.requests[i].id.cookie));
    }
    return send_to_kernel(diag, batch.requests, count * sizeof(batch.requests[0]));
}

static bool take_answer(const struct answer *answer, size_t len, struct diag_socket *sockets,
                        size_t count)
{
    if (len < sizeof(answer->header) + sizeof(answer->u.error) ||
        answer->header.sequence >= count)
        return false;
    struct diag_socket *socket = &sockets[answer->header.sequence];
    if (answer->header.type == NLMSG_ERROR) {
        socket->state = STATE_CLOSE;
        return answer->u.error == -ENOENT;
    }
    if (answer->header.type != SOCK_DIAG_BY_FAMILY || len < sizeof(*answer))
        return false;
    *socket = socket_of(&answer->u.reply);
    return true;
}

bool diag_look(int diag, struct diag_socket *sockets, size_t count)
{
    if (!ask_batch(diag, sockets, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        batch.parts[i] = (struct iovec){&batch.answers[i], sizeof(batch.answers[i])};
        batch.messages[i] = (struct mmsghdr){
            .msg_hdr = {.msg_iov = &batch.parts[i], .msg_iovlen = 1},
        };
    }
    if (raw_call(SYS_recvmmsg, diag, batch.messages, count, MSG_DONTWAIT, NULL) != (long)count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!take_answer(&batch.answers[i], batch.messages[i].msg_len, sockets, count))
            return false;
    return true;
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
