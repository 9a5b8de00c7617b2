#include "kernel/ports.h"

#include "kernel/lock.h"
#include "kernel/process.h"
#include "kernel/raw.h"
#include "kernel/sharing.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define PROBE_MS    2000 /* scarcity is looked at again then, */
#define PROBE_TAKES 256  /* but not so often that its cost is seen in the 99th percentile */
#define PLENTY      64   /* so many plain connects that chose the other parity end it */

/* So many looks in vain, in a row, and there is none for a while: others may hold the ports. */
#define MISSES  8
#define REST_MS 100

/* After EADDRNOTAVAIL, when all entries are too young or a touch cannot be told from a long
 * connection, waits, together longer than QUIET_MS, unless nothing was found for a while, in
 * which there was no pause. */
#define WAITS     12
#define WAIT_MS   20
#define HELPED_MS 1000
#define PAUSE_MS  1000

/* Somebody else took the entry that a socket is bound to: it may have that one's next entry. */
#define AGAIN       3
#define AGAIN_WAITS 40
#define AGAIN_MS    5

#define LOCK_WAIT_MS 200 /* for the lock, after EADDRNOTAVAIL, */
#define LOCK_MISSES  2   /* and so often once more: many threads wait, on a busy machine */

_Atomic bool ports_some_scarce;

static struct sysctls sysctls;
static _Atomic bool sysctls_known;

static int64_t now_ms(void)
{
    return clock_now() / NS_PER_MS;
}

static void update_scarce(int64_t now)
{
    atomic_store(&ports_some_scarce, peers_any_scarce(now));
}

bool ports_make_reusable(int fd)
{
    static const int on = 1;
    return raw_call(SYS_setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
}

static void read_sysctls(void)
{
    sysctls = sysctls_read();
    atomic_store(&sysctls_known, true);
}

static void leave_alone(struct peer *peer, int64_t now, int64_t ms)
{
    peer->alone_ms = now + ms;
    peer->scarce = false;
    peer->rest.lease.count = 0;
    update_scarce(now);
}

static void set_scarce(struct peer *peer, int64_t now)
{
    if (peer_kernel_reuses(peer, &sysctls))
        return;
    peer->scarce = true;
    peer->used_ms = now;
    peer->probe_ms = now + PROBE_MS;
    peer->takes = peer->plenty = 0;
    atomic_store(&ports_some_scarce, true);
}

static bool fill(struct peer *peer, uint8_t family, int64_t now, int64_t least_ms)
{
    if (peer->filled && now < peer->filled_ms + least_ms)
        return false;
    read_sysctls();
    struct blocks_wanted wanted = {
        .sysctls = &sysctls,
        .family = family,
        .both = least_ms == FILL_TIGHT_MS,
    };
    if (!peer_fill(peer, &wanted, now)) {
        leave_alone(peer, now, BLIND_MS);
        return false;
    }
    return blocks_count(peer->blocks) > 0;
}

/** Also what the kernel may take itself, and after a new dump: the alternative is to fail. */
static enum took take_last(struct peer *peer, struct taker *taker, int64_t now,
                           struct ports_claim *claim)
{
    fill(peer, taker->family, now, FILL_TIGHT_MS);
    taker->below = TIME_WAIT_MS;
    return peer_take(peer, taker, now, &claim->entry);
}

/** A port of the peer's own TIME_WAIT entries. */
static enum took take_own(struct peer *peer, struct taker *taker, int64_t now,
                          struct ports_claim *claim)
{
    enum took took = peer_take(peer, taker, now, &claim->entry);
    if (took == TOOK_LATER && claim->why == PORTS_AFTER_EADDRNOTAVAIL)
        took = take_last(peer, taker, now, claim);
    else if (took == TOOK_LATER && fill(peer, taker->family, now, FILL_MS))
        took = peer_take(peer, taker, now, &claim->entry);
    return took;
}

/** EADDRNOTAVAIL was said, now or a moment ago when another port helped. */
static bool may_share(const struct peer *peer, const struct ports_claim *claim, int64_t now)
{
    return claim->why == PORTS_AFTER_EADDRNOTAVAIL || now < peer->shared_ms + TIGHT_MS;
}

static enum took take_touch(struct peer *peer, struct taker *taker, int64_t now,
                            struct ports_claim *claim)
{
    if (!peer->filled && now >= peer->filled_ms + BLIND_MS)
        fill(peer, taker->family, now, 0);
    if (!peer->filled)
        return TOOK_LATER;
    taker->wanted = peer->wanted; /* whose local address the first fill() found */
    enum took took = now < peer->alone_ms ? TOOK_LATER : take_own(peer, taker, now, claim);
    if (took == TOOK_LATER && may_share(peer, claim, now)) {
        took = sharing_take(peer, taker, now, &claim->entry);
        claim->unseen = took == TOOK && sharing_is_unseen(peer, now);
    }
    if (took == TOOK)
        claim->kind = CLAIM_TOUCHED;
    else if (took == TOOK_BLIND && now >= peer->alone_ms)
        leave_alone(peer, now, BLIND_MS);
    return took;
}

static bool take(struct peer *peer, struct ports_claim *claim, uint8_t family)
{
    int64_t now = now_ms();
    struct taker taker = peer_taker(peer, claim->fd, family, &sysctls, now);
    struct lock_signals before;
    peer->used_ms = now;
    enum took took = lease_pop(&taker, &peer->rest.lease, &claim->entry);
    if (took == TOOK)
        claim->kind = CLAIM_LEASED;
    if (took == TOOK_LATER) {
        lock_hold_signals(&before);
        took = take_touch(peer, &taker, now, claim);
        lock_let_signals(&before);
    }
    if (took != TOOK)
        return false;
    peer->takes++;
    peer->helped_ms = now;
    peer->misses = 0;
    return true;
}

/** True where this connect() is to be plain, to look whether ports are still scarce. */
static bool begins_probe(struct peer *peer, int64_t now)
{
    if (peer->plenty > 0)
        return true;
    if (now < peer->probe_ms || peer->takes < PROBE_TAKES)
        return false;
    peer->probe_ms = now + PROBE_MS;
    peer->takes = 0;
    return true;
}

static bool take_before(struct ports_claim *claim, const union address *address)
{
    int64_t now = now_ms();
    struct peer *peer = peers_find(address, claim->interface);
    if (!peer || !peer->scarce) {
        update_scarce(now);
        return false;
    }
    if (begins_probe(peer, now)) {
        claim->probe = true;
        return false;
    }
    if (now < peer->rest_ms)
        return false;
    if (take(peer, claim, (uint8_t)address->any.sa_family))
        return true;
    if (++peer->misses >= MISSES) {
        peer->rest_ms = now + REST_MS;
        peer->misses = 0;
    }
    return false;
}

/** 1: taken; 0: not; -1: worth another try in WAIT_MS. */
static int take_after(struct ports_claim *claim, const union address *address)
{
    int64_t now = now_ms();
    struct peer *peer = peers_get(address, claim->interface, now);
    if (!peer)
        return 0;
    if (now < peer->alone_ms)
        return take(peer, claim, (uint8_t)address->any.sa_family);
    if (now >= peer->tight_ms + PAUSE_MS)
        peer->helped_ms = now;
    peer->tight_ms = now + TIGHT_MS;
    if (take(peer, claim, (uint8_t)address->any.sa_family)) {
        if (!peer->scarce)
            set_scarce(peer, now);
        return 1;
    }
    return now >= peer->alone_ms && now < peer->helped_ms + HELPED_MS ? -1 : 0;
}

static bool take_or_wait(struct ports_claim *claim, const union address *address)
{
    int taken = -1, missed = 0;
    for (int i = 0; i <= WAITS && taken < 0; i++) {
        if (i > 0)
            lock_pause(WAIT_MS);
        if (process_is_sealed())
            return false;
        enum lock_hold hold = lock_take(LOCK_WAIT_MS);
        if (hold)
            taken = take_after(claim, address);
        else if (lock_is_lost() || ++missed > LOCK_MISSES)
            return false;
        lock_release(hold);
    }
    return taken > 0;
}

bool ports_take(int fd, const union address *peer, uint32_t interface, enum ports_why why,
                struct ports_claim *claim)
{
    claim->kind = CLAIM_NONE;
    claim->probe = claim->unseen = false;
    claim->again = 0;
    claim->why = why;
    claim->fd = fd;
    claim->interface = interface;
    claim->peer = *peer;
    if (why == PORTS_AFTER_EADDRNOTAVAIL)
        return take_or_wait(claim, peer);
    enum lock_hold hold = lock_take(0);
    if (!hold)
        return false;
    bool taken = take_before(claim, peer);
    lock_release(hold);
    return taken;
}

/**
 * 1: connect() may succeed now; 0: it will not; -1: the entry went to somebody else, whose
 * connection is not over. Where the entry is still there, the peer has no timestamps.
 */
static int look_again(const struct ports_claim *claim)
{
    struct peer *peer = peers_find(&claim->peer, claim->interface);
    if (!peer)
        return 0;
    peer->rest.lease.count = 0;
    struct diag_socket socket = peer->wanted;
    if (!lease_look(&socket, claim->entry.port))
        return 0;
    if (socket.state == STATE_CLOSE)
        return 1;
    if (socket.state != STATE_TIME_WAIT)
        return -1;
    if (diag_cookie(&socket) != claim->entry.cookie)
        return block_age(&socket) >= AGE_TIGHT_MS ? 1 : -1;
    leave_alone(peer, now_ms(), ALONE_MS);
    return 0;
}

bool ports_again(struct ports_claim *claim)
{
    int again = claim->again++ < AGAIN ? -1 : 0;
    lease_reserve(claim->fd);
    claim->kind = CLAIM_TOUCHED;
    for (int i = 0; i < AGAIN_WAITS && again < 0; i++) {
        if (i > 0)
            lock_pause(AGAIN_MS);
        if (process_is_sealed())
            return false;
        enum lock_hold hold = lock_take(LOCK_WAIT_MS);
        if (!hold)
            return false;
        again = look_again(claim);
        lock_release(hold);
    }
    return again > 0;
}

/** STATE_CLOSE: over. By the offsets of struct tcp_info, which not every libc has alike. */
static enum tcp_state ask_state(int fd, bool *timestamps)
{
    struct {
        uint8_t state, ca_state, retransmits, probes, backoff, options, pad[2];
    } info = {.state = STATE_CLOSE};
    socklen_t len = sizeof(info);
    raw_call(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &len);
    *timestamps = info.options & TCPI_OPT_TIMESTAMPS;
    return info.state;
}

static void finish_unseen(const struct ports_claim *claim)
{
    enum lock_hold hold = lock_take(LOCK_WAIT_MS);
    struct peer *peer = hold ? peers_find(&claim->peer, claim->interface) : NULL;
    bool timestamps, found = peer && sharing_finds(peer, &claim->entry);
    if (peer) /* in this order: it may end at any time */
        sharing_finish(peer, found, ask_state(claim->fd, &timestamps) != STATE_CLOSE, now_ms());
    lock_release(hold);
}

void ports_finish(struct ports_claim *claim, int error)
{
    bool asks = !process_is_sealed(); /* while connect() waited */
    if (claim->unseen && asks)
        finish_unseen(claim);
    if (claim->kind == CLAIM_TOUCHED && asks)
        ports_make_reusable(claim->fd);
    if (claim->probe && asks && (error == 0 || error == EINPROGRESS))
        ports_look(claim->fd, claim->interface);
    claim->kind = CLAIM_NONE;
    claim->probe = claim->unseen = false;
}

/** The port has the parity that connect() tries last. */
static void look_scarce(int fd, const union address *address, uint32_t interface, int64_t now)
{
    bool timestamps;
    enum tcp_state state = ask_state(fd, &timestamps);
    bool established = state != STATE_SYN_SENT && state != STATE_CLOSE;
    struct peer *peer = peers_find(address, interface);
    if (!established && !(peer && peer->scarce))
        return; /* not known yet */
    peer = peer ? peer : peers_get(address, interface, now);
    if (!peer || now < peer->alone_ms)
        return;
    if (established && !timestamps)
        leave_alone(peer, now, ALONE_MS);
    else
        set_scarce(peer, now);
}

static void look_plenty(const union address *address, uint32_t interface, int64_t now)
{
    struct peer *peer = peers_find(address, interface);
    if (!peer || !peer->scarce || now < peer->tight_ms || ++peer->plenty < PLENTY)
        return;
    peer->scarce = false;
    update_scarce(now);
}

static void look(int fd, bool last, uint32_t interface)
{
    union address peer;
    socklen_t len = sizeof(peer);
    int64_t now = now_ms();
    if (raw_call(SYS_getpeername, fd, &peer, &len) != 0)
        return;
    if (last)
        look_scarce(fd, &peer, interface, now);
    else
        look_plenty(&peer, interface, now);
}

void ports_look(int fd, uint32_t interface)
{
    union address local;
    socklen_t len = sizeof(local);
    if (raw_call(SYS_getsockname, fd, &local, &len) != 0)
        return;
    if (!atomic_load(&sysctls_known))
        read_sysctls();
    bool last = (address_port(&local) ^ sysctls.low) & 1;
    enum lock_hold hold = last || ports_scarce() ? lock_take(0) : LOCK_NOT_HELD;
    if (hold)
        look(fd, last, interface);
    lock_release(hold);
}

void ports_reset(void)
{
    diag_reset();
    peers_reset();
    atomic_store(&ports_some_scarce, false);
    lock_reset();
}
