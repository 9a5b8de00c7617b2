#include "kernel/peers.h"

#include "kernel/lock.h"
#include "kernel/pages.h"
#include "kernel/process.h"
#include "kernel/raw.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

/* The least age, in ms, of an entry (fact 15). To this host a tick of 4 or 10 ms is added,
 * which idiag_expires is rounded to. */
#define AGE_MS       1000
#define AGE_LOCAL_MS 20

/* Where tcp_tw_reuse lets the kernel take over entries of 1,000 ms, younger ones do not meet
 * another process's connect(). */
#define AGE_KERNEL_MS 900

#define TRIES       4 /* blocks that are looked at before connect() */
#define TRIES_TIGHT 16

/* A peer that no connect() went to for so long is not scarce any more. */
#define IDLE_MS 10000

static struct peer peers[PEERS];

static void put_address(uint32_t to[4], uint8_t *family, const union address *address)
{
    memset(to, 0, 4 * sizeof(to[0]));
    *family = AF_INET;
    if (address->any.sa_family == AF_INET) {
        to[0] = address->in.sin_addr.s_addr;
    } else if (IN6_IS_ADDR_V4MAPPED(&address->in6.sin6_addr)) {
        to[0] = address->in6.sin6_addr.s6_addr32[3];
    } else {
        *family = AF_INET6;
        memcpy(to, &address->in6.sin6_addr, 4 * sizeof(to[0]));
    }
}

static const uint32_t unspecified[4]; /* 0.0.0.0, :: */

static void put_loopback(uint32_t to[4], uint8_t family)
{
    if (family == AF_INET)
        to[0] = htonl(INADDR_LOOPBACK);
    else
        to[3] = htonl(1);
}

static struct diag_socket key_of(const union address *address, uint32_t interface)
{
    struct diag_socket key = {.id.interface = interface};
    put_address(key.id.peer, &key.family, address);
    key.id.peer_port = htons(address_port(address));
    if (memcmp(key.id.peer, unspecified, sizeof(unspecified)) == 0)
        put_loopback(key.id.peer, key.family); /* as connect() does */
    return key;
}

static bool is_peer(const struct peer *peer, const struct diag_socket *key)
{
    const struct diag_id *id = &peer->wanted.id;
    return peer->used && id->peer_port == key->id.peer_port &&
           peer->wanted.family == key->family && id->interface == key->id.interface &&
           memcmp(id->peer, key->id.peer, sizeof(id->peer)) == 0;
}

static struct peer *find(const struct diag_socket *key)
{
    for (struct peer *peer = peers; peer < peers + PEERS; peer++)
        if (is_peer(peer, key))
            return peer;
    return NULL;
}

struct peer *peers_find(const union address *address, uint32_t interface)
{
    struct diag_socket key = key_of(address, interface);
    return find(&key);
}

static struct peer *least_used(void)
{
    struct peer *oldest = peers;
    for (struct peer *peer = peers; peer < peers + PEERS; peer++) {
        if (!peer->used)
            return peer;
        if (peer->used_ms < oldest->used_ms)
            oldest = peer;
    }
    return oldest;
}

static struct peer *put(const struct diag_socket *key, int64_t now_ms)
{
    struct peer *peer = least_used();
    if (!peer->blocks) {
        peer->blocks = pages_map(sizeof(*peer->blocks));
        if (!peer->blocks)
            return NULL;
    } else {
        memset(peer->blocks, 0, sizeof(*peer->blocks));
    }
    *peer = (struct peer){
        .used = true,
        .wanted = *key,
        .blocks = peer->blocks,
        .used_ms = now_ms,
        .alone_ms = now_ms,
        .tight_ms = INT64_MIN / 2, /* never */
        .shared_ms = INT64_MIN / 2,
        .seen_ms = INT64_MIN / 2,
        .shared = (unsigned)process_pid(),
        .helped_ms = now_ms,
        .rest_ms = now_ms,
    };
    return peer;
}

struct peer *peers_get(const union address *address, uint32_t interface, int64_t now_ms)
{
    struct lock_signals before;
    struct diag_socket key = key_of(address, interface);
    struct peer *peer = find(&key);
    if (peer)
        return peer;
    lock_hold_signals(&before);
    peer = put(&key, now_ms);
    lock_let_signals(&before);
    return peer;
}

bool peers_any_scarce(int64_t now_ms)
{
    bool any = false;
    for (struct peer *peer = peers; peer < peers + PEERS; peer++) {
        peer->scarce = peer->used && peer->scarce && now_ms < peer->used_ms + IDLE_MS;
        any |= peer->scarce;
    }
    return any;
}

void peers_reset(void)
{
    for (struct peer *peer = peers; peer < peers + PEERS; peer++)
        peer->used = peer->scarce = false;
}

bool peer_is_loopback(const struct peer *peer)
{
    const uint32_t *to = peer->wanted.id.peer;
    uint32_t loopback[4] = {0};
    if (peer->wanted.family == AF_INET)
        return ntohl(to[0]) >> 24 == IN_LOOPBACKNET;
    put_loopback(loopback, AF_INET6);
    return memcmp(to, loopback, sizeof(loopback)) == 0;
}

bool peer_kernel_reuses(const struct peer *peer, const struct sysctls *sysctls)
{
    return sysctls->tw_reuse == 1 || (sysctls->tw_reuse == 2 && peer_is_loopback(peer));
}

uint32_t peer_least_age(const struct peer *peer)
{
    return peer->local ? AGE_LOCAL_MS : AGE_MS;
}

struct taker peer_taker(const struct peer *peer, int fd, uint8_t family,
                        const struct sysctls *sysctls, int64_t now_ms)
{
    return (struct taker){
        .fd = fd,
        .family = family,
        .wanted = peer->wanted,
        .sysctls = sysctls,
        .age = now_ms < peer->tight_ms ? AGE_TIGHT_MS : peer_least_age(peer),
        .below = peer_kernel_reuses(peer, sysctls) ? AGE_KERNEL_MS : TIME_WAIT_MS,
    };
}

enum took peer_take(struct peer *peer, const struct taker *taker, int64_t now_ms,
                    struct lease_entry *entry)
{
    bool tight = now_ms < peer->tight_ms;
    uint32_t wait = peer->local ? QUIET_MS : AGE_MS;
    unsigned tries = tight ? TRIES_TIGHT : TRIES;
    enum took took = lease_take_young(taker, peer->blocks, &peer->rest.young, entry);
    if (tries > blocks_count(peer->blocks))
        tries = blocks_count(peer->blocks); /* at none twice */
    for (unsigned i = 0; i < tries && took == TOOK_LATER; i++) {
        int number = blocks_next(peer->blocks, now_ms, tight);
        if (number < 0)
            break;
        struct block *block = &peer->blocks->block[number];
        took = lease_take(taker, (unsigned)number, block, &peer->rest, entry);
        blocks_put(peer->blocks, (unsigned)number, now_ms + wait, took == TOOK);
    }
    return took;
}

static union address address_of(const struct diag_socket *wanted)
{
    union address address = {.any.sa_family = wanted->family};
    if (wanted->family == AF_INET) {
        address.in.sin_addr.s_addr = wanted->id.peer[0];
    } else {
        memcpy(&address.in6.sin6_addr, wanted->id.peer, sizeof(wanted->id.peer));
        address.in6.sin6_scope_id = wanted->id.interface;
    }
    address.in.sin_port = wanted->id.peer_port;
    return address;
}

/** By a UDP socket that connects, which sends nothing (udp(7)): it gets the route's source. */
static bool ask_source(int fd, struct diag_socket *wanted)
{
    union address address = address_of(wanted);
    int interface = (int)wanted->id.interface;
    socklen_t len = sizeof(address);
    uint8_t family;
    if (interface)
        raw_call(SYS_setsockopt, fd, SOL_SOCKET, SO_BINDTOIFINDEX, &interface,
                 sizeof(interface));
    if (raw_call(SYS_connect, fd, &address, sizeof(address)) != 0 ||
        raw_call(SYS_getsockname, fd, &address, &len) != 0)
        return false;
    put_address(wanted->id.local, &family, &address);
    return true;
}

static bool find_source(struct peer *peer)
{
    int fd = raw_above_stderr(
        raw_call(SYS_socket, peer->wanted.family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (fd < 0)
        return false;
    bool found = ask_source(fd, &peer->wanted);
    raw_call(SYS_close, fd);
    const struct diag_id *id = &peer->wanted.id;
    peer->local = peer_is_loopback(peer) || memcmp(id->local, id->peer, sizeof(id->peer)) == 0;
    return found;
}

bool peer_fill(struct peer *peer, struct blocks_wanted *wanted, int64_t now_ms)
{
    wanted->socket = &peer->wanted;
    peer->filled_ms = now_ms;
    int diag = diag_open();
    if (diag < 0)
        return false;
    struct diag_socket before = peer->wanted;
    bool told = find_source(peer); /* which says whether the peer is local */
    if (memcmp(before.id.local, peer->wanted.id.local, sizeof(before.id.local)) != 0)
        peer->seen_ms = INT64_MIN / 2;
    wanted->age = peer_least_age(peer);
    told = told && blocks_fill(peer->blocks, diag, wanted, now_ms);
    diag_close(diag);
    peer->filled = told;
    blocks_rotate(peer->blocks, (uint32_t)process_pid() * 2654435761u >> 8);
    return told;
}
