#include "launcher/supervise/recycle.h"

#include "kernel/ports.h"
#include "kernel/sharing.h"
#include "launcher/release.h"
#include "launcher/supervise/guard.h"
#include "launcher/supervise/sample.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* 5.14 */
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62 /* 5.0 */
#endif

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* 6.3 */
#endif

#define WAITS 48 /* of a few ms each */

#define SHARERS 4 /* the part of the ports that are left which is ours until the next count */

/* A dump for the first connection to a peer, but not for each of many peers. */
#define FIRST_LOOK_MS 100
#define LATER_LOOK    64 /* connections */

/* What is known of a peer, each in one place. */
#define OUTLOOKS 256

static struct outlook {
    uint64_t key;
    int64_t alone_ms, counted_ms;
    unsigned until_look; /* so many connections before the next dump */
    unsigned
        left; /* ports that connect() finds without us, at least, since they were counted */
    enum timestamps timestamps;
    bool scarce;
} outlooks[OUTLOOKS];

/* When a port was last taken over, in s; 0: never; for which peer, by its place in outlooks. */
static struct bound {
    uint32_t at_s;
    uint8_t outlook;
} bound[65536];

static struct sysctls sysctls;
static int64_t first_look_ms;

static int64_t now_ms(void)
{
    return clock_now() / NS_PER_MS;
}

static int option(int fd, int level, int name)
{
    int value = 0;
    socklen_t len = sizeof(value);
    return getsockopt(fd, level, name, &value, &len) == 0 ? value : 0;
}

/** As hooks/option.c has it: the entries may be of other ports or another source address. */
static bool chooses_port_or_source(int fd)
{
    return option(fd, SOL_SOCKET, SO_MARK) || option(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE) ||
           option(fd, IPPROTO_IP, IP_UNICAST_IF);
}

/** The interface that the socket is bound to, or that a link-local peer is behind; 0: any. */
static uint32_t interface_of(int fd, const union address *peer)
{
    bool link_local =
        peer->any.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&peer->in6.sin6_addr);
    return link_local ? peer->in6.sin6_scope_id
                      : (uint32_t)option(fd, SOL_SOCKET, SO_BINDTOIFINDEX);
}

static uint64_t hash(uint64_t h, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++) /* FNV-1a */
        h = (h ^ ((const uint8_t *)data)[i]) * UINT64_C(1099511628211);
    return h;
}

static struct outlook *find(const union address *peer, int64_t now)
{
    uint64_t key =
        hash(UINT64_C(14695981039346656037), &peer->in.sin_port, sizeof(peer->in.sin_port));
    if (peer->any.sa_family == AF_INET6)
        key = hash(key, &peer->in6.sin6_addr, sizeof(peer->in6.sin6_addr));
    else
        key = hash(key, &peer->in.sin_addr, sizeof(peer->in.sin_addr));
    struct outlook *outlook = &outlooks[key % OUTLOOKS];
    if (outlook->key == key)
        return outlook;
    sample_forget(&outlook->timestamps);
    *outlook = (struct outlook){.key = key, .until_look = LATER_LOOK};
    if (now >= first_look_ms) {
        first_look_ms = now + FIRST_LOOK_MS;
        outlook->until_look = 0;
    }
    return outlook;
}

/** The fd is a socket of another network namespace, whose ports are not ours. */
static bool is_elsewhere(int fd, pid_t thread)
{
    static uint64_t ours;
    uint64_t its = 0;
    socklen_t len = sizeof(its);
    if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &its, &len) != 0) {
        char path[64];
        struct stat here, there;
        snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)thread);
        return stat(path, &there) != 0 || stat("/proc/self/ns/net", &here) != 0 ||
               here.st_ino != there.st_ino;
    }
    if (!ours) {
        int own = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        (void)getsockopt(own, SOL_SOCKET, SO_NETNS_COOKIE, &ours, &len);
        close(own);
    }
    return its != ours;
}

static unsigned ports_in_range(void)
{
    return (unsigned)(sysctls.high - sysctls.low) + 1;
}

/** connect() chooses no port that was bound before, for any peer (fact 15d). */
static bool bound_are_left_out(void)
{
    static int known; /* 1: it does not; -1: it does */
    if (!known)
        known = release_is_before(6, 18) ? 1 : -1;
    return known == 1;
}

static uint32_t seconds(int64_t now)
{
    return (uint32_t)(now / 1000) + 1;
}

/** The ports that connect() leaves out towards the peer because of others are put into *set. */
static void put_left_out(const struct outlook *outlook, int64_t now, struct port_set *set)
{
    for (unsigned port = sysctls.low; port <= sysctls.high && bound_are_left_out(); port++)
        if (bound[port].at_s + TIME_WAIT_MS / 1000 >= seconds(now) && bound[port].at_s &&
            bound[port].outlook != (uint8_t)(outlook - outlooks))
            port_put(set, (uint16_t)port);
}

/** How many of the range are in the set. */
static unsigned count_in_range(const struct port_set *set)
{
    unsigned count = 0;
    for (unsigned port = sysctls.low; port <= sysctls.high; port++)
        count += port_is_in(set, (uint16_t)port);
    return count;
}

/** From so many entries on ports are taken over: before connect() has to look for ports of the
 * second parity (fact 17); where the kernel recycles, when it has none left. */
static unsigned threshold(const struct peer *peer)
{
    unsigned ports = ports_in_range();
    return peer_kernel_reuses(peer, &sysctls) ? ports - ports / 16 : ports / 16 * 7;
}

static bool fill(struct peer *peer, uint8_t family, int64_t now, int64_t least_ms)
{
    if (peer->filled && now < peer->filled_ms + least_ms)
        return false;
    sysctls = sysctls_read();
    struct blocks_wanted wanted = {
        .sysctls = &sysctls,
        .family = family,
    };
    return peer_fill(peer, &wanted, now);
}

static void put_port(const struct diag_socket *socket, void *set)
{
    port_put(set, ntohs(socket->id.local_port));
}

/** How many ports have a socket to the peer, of any state, or are left out. False: the kernel
 * does not tell. */
static bool count_taken(const struct outlook *outlook, struct peer *peer, uint8_t family,
                        int64_t now, unsigned *count)
{
    unsigned all = (1u << STATES) - 1;
    struct port_set taken = {0}; /* a port may be both */
    int diag = diag_open();
    if (diag < 0)
        return false;
    put_left_out(outlook, now, &taken);
    bool told = diag_each_to(diag, &peer->wanted, family, all & ~(1u << STATE_LISTEN), put_port,
                             &taken);
    diag_close(diag);
    if (told)
        *count = count_in_range(&taken);
    return told;
}

/** How scarce ports are, and when that is to be looked at again. */
static void look(struct outlook *outlook, struct peer *peer, uint8_t family, int64_t now)
{
    if (!fill(peer, family, now, 0)) {
        outlook->alone_ms = now + BLIND_MS;
        return;
    }
    struct port_set others = {0};
    put_left_out(outlook, now, &others);
    unsigned entries = peer->blocks->entries + count_in_range(&others);
    unsigned most = threshold(peer);
    /* Where the peer is slow to close, most may be on their way to TIME_WAIT. */
    if (entries < most && outlook->scarce)
        (void)count_taken(outlook, peer, family, now, &entries);
    outlook->scarce = entries >= most;
    outlook->until_look = outlook->scarce ? ports_in_range() : (most - entries) / 2 + 16;
}

/** Counts the ports that connect() can choose. */
static void count_left(struct outlook *outlook, struct peer *peer, uint8_t family, int64_t now)
{
    unsigned count;
    if (now < outlook->counted_ms + FILL_TIGHT_MS)
        return;
    outlook->counted_ms = now;
    if (count_taken(outlook, peer, family, now, &count))
        outlook->left = count < ports_in_range() ? (ports_in_range() - count) / SHARERS : 0;
}

/** connect() would say EADDRNOTAVAIL, or soon: next to all ports have a socket to the peer. */
static bool all_are_taken(struct outlook *outlook, struct peer *peer, uint8_t family,
                          int64_t now)
{
    unsigned least = ports_in_range() / 64;
    if (outlook->left <= least || now >= outlook->counted_ms + FILL_MS) /* others take, too */
        count_left(outlook, peer, family, now);
    if (outlook->left <= least)
        return true;
    outlook->left--;
    return false;
}

/** Of the peer's own entries; where there are none, and next to no port is left: any (fact
 * 15c). */
static enum took touch(struct peer *peer, struct taker *taker, bool any, int64_t now,
                       struct lease_entry *entry)
{
    bool tight = now < peer->tight_ms;
    enum took took = peer_take(peer, taker, now, entry);
    if (took == TOOK_LATER && fill(peer, taker->family, now, tight ? FILL_TIGHT_MS : FILL_MS))
        took = peer_take(peer, taker, now, entry);
    if (took == TOOK_LATER && any)
        took = sharing_take(peer, taker, now, entry);
    return took;
}

static enum took take(const struct outlook *outlook, struct peer *peer, int fd, pid_t thread,
                      uint8_t family, int64_t now)
{
    struct lease_entry entry;
    struct taker taker = peer_taker(peer, fd, family, &sysctls, now);
    peer->used_ms = now;
    enum took took = lease_pop(&taker, &peer->rest.lease, &entry);
    bool leased = took != TOOK_LATER;
    if (!leased)
        took = touch(peer, &taker, now < peer->tight_ms, now, &entry);
    if (took == TOOK)
        bound[entry.port] = (struct bound){seconds(now), (uint8_t)(outlook - outlooks)};
    if (took == TOOK && !leased)
        guard_hold(fd, thread, &entry, &peer->wanted, family, now_ms());
    return took;
}

/** False where it is worth another try soon. */
static bool take_or_wait(struct outlook *outlook, struct peer *peer, int fd, pid_t thread,
                         uint8_t family, unsigned tries)
{
    int64_t now = now_ms();
    enum took took = outlook->timestamps == TIMESTAMPS_USED
                         ? take(outlook, peer, fd, thread, family, now)
                         : TOOK_LATER;
    if (took == TOOK_LATER && all_are_taken(outlook, peer, family, now)) {
        peer->tight_ms = now + TIGHT_MS;
        took = take(outlook, peer, fd, thread, family, now);
    }
    if (took == TOOK_BLIND)
        outlook->alone_ms = now + BLIND_MS;
    return took != TOOK_LATER || now >= peer->tight_ms || tries >= WAITS;
}

bool recycle_before_connect(int fd, pid_t thread, const union address *address, unsigned tries)
{
    int64_t now = now_ms();
    uint8_t family = (uint8_t)address->any.sa_family;
    struct outlook *outlook = find(address, now);
    if (tries == 0)
        guard_heard(thread);
    ports_make_reusable(fd);
    if (tries == 0 && outlook->until_look > 0)
        outlook->until_look--;
    bool look_now = outlook->until_look == 0;
    if (now < outlook->alone_ms || (!look_now && !outlook->scarce) ||
        is_elsewhere(fd, thread) || chooses_port_or_source(fd))
        return true;
    struct peer *peer = peers_get(address, interface_of(fd, address), now);
    if (!peer)
        return true;
    if (look_now || !peer->filled)
        look(outlook, peer, family, now);
    if (outlook->timestamps == TIMESTAMPS_NONE) {
        outlook->timestamps = TIMESTAMPS_UNKNOWN;
        outlook->alone_ms = now + ALONE_MS;
        return true;
    }
    if (outlook->timestamps == TIMESTAMPS_UNKNOWN && tries == 0)
        sample_take(fd, &outlook->timestamps, now);
    return !outlook->scarce || take_or_wait(outlook, peer, fd, thread, family, tries);
}

int recycle_expire(int64_t now)
{
    bool sampling = sample_look(now);
    int left = guard_expire(now);
    return sampling ? 1 : left;
}
