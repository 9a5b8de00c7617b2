#include "connection/birth.h"

#include "connection/arming.h"
#include "connection/table.h"
#include "kernel/clock.h"
#include "kernel/facts.h"
#include "kernel/memory.h"
#include "kernel/process.h"
#include "policy/settings.h"
#include "report/count.h"
#include "report/reaper.h"

#include <errno.h>
#include <stddef.h>

void birth_socket(int fd, int domain, int type, int protocol, uint32_t epoch)
{
    if (!process_is_ours())
        return;
    int saved = errno;
    bool stream = (type & 0xf) == SOCK_STREAM && (domain == AF_INET || domain == AF_INET6);
    if (stream && (protocol == 0 || protocol == IPPROTO_TCP))
        table_set(fd, conn_new(epoch));
    else
        table_set(fd, stream ? NULL : TABLE_NO_TCP); /* MPTCP may fall back to TCP */
    errno = saved;
}

/**
 * Records a socket that did not come from socket(): passed, inherited, or made by a raw system
 * call. It is claimed; NULL where it is no TCP socket.
 */
static struct conn *adopt(int fd)
{
    struct conn *c = facts_is_tcp(fd) ? conn_new(process_epoch()) : NULL;
    if (!c)
        return NULL;
    uint32_t generation = conn_generation(c);
    conn_mark(c, CONN_SHARED);
    if (facts_linger(fd) >= 0)
        conn_mark(c, CONN_APP_LINGER);
    return table_set(fd, c) ? table_claim(fd, c, generation) : NULL;
}

/** Only a client's own, new socket, of which the application let the kernel choose the port. */
static bool may_be_recycled(struct conn *c, const struct policy *policy)
{
    return policy->kind != POLICY_OFF && !settings.config.no_recycling &&
           !conn_is(c, CONN_APP_PORT | CONN_SHARED);
}

/** The interface that fd is bound to, or that a link-local peer is behind; 0: any. */
static uint32_t interface_of(int fd, struct conn *c, const union address *peer)
{
    if (conn_is(c, CONN_DEVICE))
        return facts_interface(fd);
    bool link_local =
        peer->any.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&peer->in6.sin6_addr);
    return link_local ? peer->in6.sin6_scope_id : 0;
}

/**
 * Binds the socket to a port in TIME_WAIT towards the peer, if it can. The policy is settled
 * for that, and stays. The address is read with care: the kernel may not have looked at it yet.
 */
static bool recycle(struct birth *birth, const struct sockaddr *addr, socklen_t len,
                    enum ports_why why)
{
    struct conn *c = birth->c;
    if (!c || conn_is(c, CONN_BORN) || !process_may_act() || process_is_elsewhere())
        return false;
    int saved = errno;
    union address copy, peer;
    size_t size = len < sizeof(copy) ? len : sizeof(copy);
    bool read = memory_read(&copy, addr, size) == MEMORY_READ;
    address_copy(&peer, read ? &copy.any : NULL, (socklen_t)size);
    struct newborn newborn = {.role = ROLE_CLIENT, .peer = peer};
    bool taken = false;
    if (peer.any.sa_family != AF_UNSPEC) {
        birth->drawn = birth->drawn.policy ? birth->drawn : draw_policy(&newborn);
        birth->reusable = may_be_recycled(c, birth->drawn.policy) &&
                          (birth->reusable || ports_make_reusable(birth->fd));
        taken =
            birth->reusable &&
            ports_take(birth->fd, &peer, interface_of(birth->fd, c, &peer), why, &birth->claim);
    }
    errno = saved;
    return taken;
}

void birth_bound(int fd)
{
    struct conn *c = process_is_ours() ? table_find(fd) : NULL;
    if (!c)
        return;
    conn_mark(c, CONN_APP_PORT);
    arming_mark_as_seen(fd, c); /* it may be about to listen, which no hook sees */
}

struct birth birth_connecting(int fd, const struct sockaddr *addr, socklen_t len)
{
    struct birth birth = {.fd = fd, .saved = errno};
    struct conn *c = table_peek(fd);
    if (c == TABLE_NO_TCP || !process_is_ours())
        return birth;
    birth.c = c;
    birth.foreign = !c;
    birth.generation = c ? conn_generation(c) : 0;
    arming_mark_as_seen(fd, c);
    birth.begun = settings.reporting && process_may_act() ? clock_now() : 0;
    if (ports_scarce())
        recycle(&birth, addr, len, PORTS_BEFORE_CONNECT);
    return birth;
}

struct birth birth_sending(int fd, int flags, const struct sockaddr *addr, socklen_t len)
{
    bool begins = fd >= 0 && (flags & MSG_FASTOPEN) && settings.active;
    struct birth birth = begins ? birth_connecting(fd, addr, len) : (struct birth){.fd = fd};
    birth.fast_open = begins;
    return birth;
}

bool birth_found_port(struct birth *birth, long r, const struct sockaddr *addr, socklen_t len)
{
    if (r >= 0 || errno != EADDRNOTAVAIL)
        return false;
    bool found = birth->claim.kind == CLAIM_NONE
                     ? recycle(birth, addr, len, PORTS_AFTER_EADDRNOTAVAIL)
                     : ports_again(&birth->claim);
    errno = found ? birth->saved : EADDRNOTAVAIL;
    return found;
}

bool birth_message_found_port(struct birth *birth, long r, const struct msghdr *msg)
{
    return r < 0 && errno == EADDRNOTAVAIL &&
           birth_found_port(birth, r, msg->msg_name, msg->msg_namelen);
}

void birth_count(struct conn *c)
{
    if (!settings.counting || conn_is(c, CONN_COUNTED))
        return;
    conn_mark(c, CONN_COUNTED);
    count_connection(c->policy, c->slot);
    if (conn_is(c, CONN_RECYCLED))
        count_recycled(c->policy, c->slot);
}

/** For the record and the rules. `peer`: what connect() was given; NULL of an accepted one. */
static void note_addresses(int fd, struct conn *c, const union address *peer)
{
    if (!settings.addresses || !process_may_act())
        return;
    facts_local(fd, &c->local);
    if (!peer || address_is_unspecified(peer)) /* which connect() makes the loopback address */
        facts_peer(fd, &c->peer);
    if (peer && c->peer.any.sa_family == AF_UNSPEC) /* in SYN_SENT the kernel does not tell */
        c->peer = *peer;
}

/** What is set on, and asked of, a connection whose policy is settled. */
static void prepare(int fd, struct conn *c, const struct birth *birth)
{
    bool asks = policy_kinds[c->policy->kind].asks;
    arming_at_birth(fd, c);
    if (birth && !birth->reusable && may_be_recycled(c, c->policy))
        ports_make_reusable(fd);
    if (settings.cookies || asks) /* later: whether fd is still this socket */
        c->cookie = facts_cookie(fd);
    if (asks && !facts_is_tcp(fd))
        conn_mark(c, CONN_SHARED); /* somebody behind us has made it MPTCP: no lever */
}

/** From now on c, whose addresses are noted, is a connection; `birth`: of a client. */
static void born(int fd, struct conn *c, enum role role, const struct birth *birth)
{
    struct newborn newborn = {.role = role, .local = c->local, .peer = c->peer};
    struct drawn drawn = birth && birth->drawn.policy ? birth->drawn : draw_policy(&newborn);
    c->policy = drawn.policy;
    c->slot = drawn.slot;
    if (process_may_act()) {
        prepare(fd, c, birth);
        if (c->policy->kind != POLICY_OFF)
            reaper_note(c->cookie);
    }
    conn_mark(c, CONN_BORN | conn_role_flag(role));
}

/** Whether a connect() that returned has made a connection; Fast Open may only begin one. */
static bool is_established(const struct birth *birth, struct conn *c)
{
    bool ask = birth->fast_open || conn_is(c, CONN_FAST_OPEN | CONN_SHARED);
    return !ask || !process_may_act() || facts_ask(birth->fd).established;
}

#define LOOK_EVERY 64 /* connections (fact 17) */

/** Now and then, how scarce ports are is looked at: where connect() is not over, at the end. */
static void look_at_port(int fd, struct conn *c, bool done)
{
    static _Atomic uint32_t births;
    uint32_t n = atomic_fetch_add_explicit(&births, 1, memory_order_relaxed);
    if (n % LOOK_EVERY != LOOK_EVERY - 1 || !may_be_recycled(c, c->policy))
        return;
    if (done)
        birth_look(fd, c);
    else
        conn_mark(c, CONN_TO_LOOK_AT);
}

void birth_look(int fd, struct conn *c)
{
    if (!process_is_ours())
        return;
    int saved = errno;
    conn_unmark(c, CONN_TO_LOOK_AT);
    if (process_may_act() && !process_is_elsewhere())
        ports_look(fd, interface_of(fd, c, &c->peer));
    errno = saved;
}

/** connect() is under way, or done after `ns`. */
static void connected(const struct birth *birth, struct conn *c, bool done, int64_t ns,
                      const union address *peer)
{
    int fd = birth->fd;
    if (conn_begins_anew(c, fd, done, peer)) {
        if (!c->cookie && !conn_is(c, CONN_ARMED))
            conn_mark(c, CONN_SHARED); /* nothing tells that it is the same socket */
        birth_undo(fd, c);
    }
    if (!conn_is(c, CONN_BORN)) {
        c->peer = *peer;
        note_addresses(fd, c, peer);
        born(fd, c, ROLE_CLIENT, birth);
        if (birth->claim.kind == CLAIM_LEASED || birth->claim.kind == CLAIM_TOUCHED)
            conn_mark(c, CONN_RECYCLED);
        else
            look_at_port(fd, c, done);
    }
    if (done && settings.counting && is_established(birth, c))
        birth_count(c);
    if (done && ns >= 0)
        c->connect_ns = ns;
}

/** For the statistics and the board: connect() took `ns`, and failed with `error` or, 0, did
 * not. */
static void count_connected(const struct birth *birth, struct conn *c,
                            const union address *peer, int64_t ns, int error)
{
    bool again = error == ECONNABORTED && conn_is(c, CONN_FAILED);
    conn_unmark(c, CONN_FAILED);
    if (again)
        return; /* why it failed was told by SO_ERROR, and is not known here any more */
    struct newborn newborn = {.role = ROLE_CLIENT, .peer = *peer};
    struct drawn drawn = birth->drawn;
    if (conn_is(c, CONN_BORN))
        drawn = (struct drawn){.policy = c->policy, .slot = c->slot};
    if (!drawn.policy)
        drawn = draw_policy(&newborn);
    count_connect(drawn.policy, drawn.slot, ns, error);
    if (peer->any.sa_family != AF_UNSPEC && error != EALREADY && error != EISCONN)
        count_peer(drawn.policy, drawn.slot, peer);
}

/** The kernel has begun to connect. EINTR: the handshake goes on (connect(2)). */
static bool has_begun(long r, int error)
{
    return r >= 0 || error == EINPROGRESS || error == EINTR;
}

/** The kernel has read the address, so it can be read: with other errors it may not have. */
static bool has_read(long r, int error)
{
    return has_begun(r, error) || error == EADDRNOTAVAIL || error == ECONNREFUSED ||
           error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH;
}

/** Another socket is on the fd of a connection that was closed unseen, and connects. */
static bool is_stale(const struct birth *birth, bool begun)
{
    struct conn *c = birth->c;
    bool told = c->cookie != 0 || conn_is(c, CONN_ARMED);
    return begun && conn_is(c, CONN_BORN) && told && process_may_act() &&
           !conn_is_behind(c, birth->fd);
}

static struct conn *claim_conn(const struct birth *birth, bool begun)
{
    if (birth->c && !is_stale(birth, begun))
        return table_claim(birth->fd, birth->c, birth->generation);
    return (birth->c || birth->foreign) && begun && process_may_act() ? adopt(birth->fd) : NULL;
}

void birth_connected(struct birth *birth, long r, const struct sockaddr *addr, socklen_t len)
{
    int saved = errno;
    int64_t ns = birth->begun && process_may_act() ? clock_now() - birth->begun : -1;
    union address peer = {.any.sa_family = AF_UNSPEC};
    if (has_read(r, saved))
        address_copy(&peer, addr, len);
    if (birth->c && conn_is(birth->c, CONN_BORN))
        ns = -1; /* it began with an earlier call: how long it took in all is not known */
    bool begun = has_begun(r, saved) && peer.any.sa_family != AF_UNSPEC;
    struct conn *c = begun || settings.counting ? claim_conn(birth, begun) : NULL;
    if (c && begun)
        connected(birth, c, r >= 0, ns, &peer);
    if (c && settings.counting)
        count_connected(birth, c, &peer, ns, r >= 0 ? 0 : saved);
    if (c)
        table_release(c);
    ports_taken(&birth->claim, r >= 0 ? 0 : saved);
    errno = saved;
}

void birth_sent(struct birth *birth, long r, const struct msghdr *msg)
{
    bool taken = has_read(r, errno);
    birth_connected(birth, r, taken ? msg->msg_name : NULL, taken ? msg->msg_namelen : 0);
}

void birth_accepted(int listener_fd, int fd, uint32_t epoch)
{
    if (!process_is_ours())
        return;
    int saved = errno;
    struct conn *listener = table_peek(listener_fd);
    bool tcp = table_is_conn(listener) || (!listener && process_may_act() && facts_is_tcp(fd));
    struct conn *c = tcp ? conn_new(epoch) : TABLE_NO_TCP;
    uint32_t generation = table_is_conn(c) ? conn_generation(c) : 0;
    if (table_set(fd, c) && table_is_conn(c))
        c = table_claim(fd, c, generation);
    else
        c = NULL;
    if (!c) {
        errno = saved;
        return;
    }
    if (listener)
        conn_mark(c, atomic_load(&listener->flags) & CONN_INHERITED);
    else if (facts_linger(fd) >= 0)
        conn_mark(c, CONN_APP_LINGER);
    note_addresses(fd, c, NULL);
    born(fd, c, ROLE_SERVER, NULL);
    if (process_may_act())
        arming_inherited(fd, c, listener);
    birth_count(c);
    table_release(c);
    errno = saved;
}

void birth_undo(int fd, struct conn *c)
{
    arming_undo(fd, c);
    conn_note(c, conn_generation(c), LAST_NONE);
    c->read = c->written = 0;
    conn_unmark(c, ~(uint32_t)(CONN_APP | CONN_SHARED | CONN_CLAIMED));
    c->connect_ns = -1;
}

/** Another fd of the process was adopted with this cookie already: the same socket. */
static bool adopted_twice(int fd, uint64_t cookie)
{
    for (int other = table_next(0, TABLE_FDS - 1); other >= 0;
         other = table_next((unsigned)other + 1, TABLE_FDS - 1)) {
        struct conn *c = table_find(other);
        if (c && c->cookie == cookie) {
            table_copy(other, fd);
            return true;
        }
    }
    return false;
}

void birth_inherited(int fd)
{
    if (!facts_is_tcp(fd) || adopted_twice(fd, facts_cookie(fd)))
        return;
    struct conn *c = adopt(fd);
    if (!c)
        return;
    if (facts_linger2(fd) < 0)
        conn_mark(c, CONN_ARMED); /* whoever did it: accepted sockets inherit it */
    if (!facts_is_listener(fd)) {
        note_addresses(fd, c, NULL);
        born(fd, c, ROLE_UNKNOWN, NULL);
        birth_count(c);
    }
    c->cookie = facts_cookie(fd);
    table_release(c);
}
