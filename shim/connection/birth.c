#include "connection/birth.h"

#include "connection/reap.h"
#include "connection/rights.h"
#include "connection/table.h"
#include "kernel/clock.h"
#include "kernel/facts.h"
#include "kernel/levers.h"
#include "kernel/process.h"
#include "policy/settings.h"
#include "report/stats.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/uio.h>

/**
 * Where the fd of a new socket leads to a connection whose close we have not seen, this may be
 * a child of vfork(), in its parent's memory: then the table is not ours. (Under fin-rst and
 * off, entries stay behind by design, and nothing depends on them.)
 */
static bool may_record(int fd)
{
    struct conn *c = table_find(fd);
    if (!c || !conn_is(c, CONN_BORN))
        return true;
    bool idle = c->policy->kind == POLICY_FIN_RST || c->policy->kind == POLICY_OFF;
    return idle || owner_is_me();
}

void birth_socket(int fd, int domain, int type, int protocol, uint32_t epoch)
{
    if (!may_record(fd))
        return;
    int saved = errno;
    bool stream = (type & 0xf) == SOCK_STREAM && (domain == AF_INET || domain == AF_INET6);
    if (stream && (protocol == 0 || protocol == IPPROTO_TCP))
        table_set(fd, conn_new(epoch));
    else
        table_set(fd, stream ? NULL : TABLE_NO_TCP); /* MPTCP may fall back to TCP */
    errno = saved;
}

static _Atomic uint64_t draws;
static uint64_t draw_seed;

void birth_init(void)
{
    const void *random = (const void *)getauxval(AT_RANDOM); /* 16 bytes (getauxval(3)) */
    if (shim.config.seeded)
        draw_seed = shim.config.seed;
    else if (random)
        memcpy(&draw_seed, random, sizeof(draw_seed));
    pthread_atfork(birth_forking, NULL, birth_in_child);
}

/**
 * SplitMix64 (Steele, Lea, Flood 2014). A child of fork() draws differently: by its pid or, to
 * be repeatable, from a seed of its own, drawn from its parent's.
 */
static uint64_t draw(void)
{
    uint64_t n = atomic_fetch_add(&draws, 1) + 1;
    uint64_t z = draw_seed + n * UINT64_C(0x9e3779b97f4a7c15);
    if (!shim.config.seeded)
        z ^= (uint64_t)owner_pid() << 32;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void birth_forking(void)
{
    atomic_fetch_add(&draws, 1); /* so that the next child's seed is another one */
}

void birth_in_child(void)
{
    rights_in_child();
    if (shim.config.seeded)
        draw_seed = draw();
}

/** The policy of a connection that is about to be born; it stays. */
static const struct policy *settle(const struct newborn *newborn)
{
    const struct split *split = rules_find(&shim.config.rules, newborn, &shim.config.split);
    return rules_draw(split, split->count > 1 ? draw() : 0);
}

bool birth_app_linger(struct conn *c)
{
    return conn_is(c, CONN_APP_LINGERS) && !shim.config.override_app_linger;
}

/** What the policy arms at birth, unless the application's own linger is to be respected. */
static bool wants_arming(struct conn *c)
{
    return !birth_app_linger(c) && policy_kinds[c->policy->kind].armed;
}

static void arm(int fd, struct conn *c)
{
    if (lever_fin_rst(fd))
        conn_mark(c, CONN_ARMED);
}

static void disarm(int fd, struct conn *c)
{
    if (conn_is(c, CONN_ARMED) && lever_fin_rst_off(fd))
        conn_unmark(c, CONN_ARMED);
}

void birth_rearm(int fd, struct conn *c, bool overwritten)
{
    if (!conn_is(c, CONN_BORN) || !facts_is_same(fd, c))
        return;
    if (overwritten)
        conn_unmark(c, CONN_ARMED); /* the value is the application's now */
    if (birth_app_linger(c))
        reap_forget(c);
    if (!wants_arming(c))
        disarm(fd, c);
    else if (!conn_is(c, CONN_ARMED))
        arm(fd, c);
}

void birth_undo(int fd, struct conn *c)
{
    conn_note(c, conn_generation(c), LAST_NONE);
    reap_forget(c);
    conn_mark(c, CONN_AGAIN);
    conn_unmark(c, CONN_BORN | CONN_SHUT_RD | CONN_SHUT_WR | CONN_COUNTED);
    disarm(fd, c);
}

/**
 * A socket that did not come from socket(): passed, inherited, or made by a raw system call.
 * It is claimed.
 */
static struct conn *adopt(int fd)
{
    if (!facts_is_tcp(fd))
        return NULL;
    table_set(fd, conn_new(owner_epoch()));
    struct conn *c = table_claim(fd);
    if (!c)
        return NULL;
    conn_mark(c, CONN_SHARED);
    if (facts_linger(fd))
        conn_mark(c, CONN_APP_LINGER);
    return c;
}

/**
 * The address that connect() will be given, before the kernel has looked at it: a bad pointer
 * must be EFAULT for the program, not a crash. Unknown where it cannot be read.
 */
static void peek_address(union address *to, const struct sockaddr *addr, socklen_t len)
{
    union address copy;
    struct iovec here = {.iov_base = &copy, .iov_len = len < sizeof(copy) ? len : sizeof(copy)};
    struct iovec there = {.iov_base = (void *)(uintptr_t)addr, .iov_len = here.iov_len};
    bool read = process_vm_readv(owner_pid(), &here, 1, &there, 1, 0) == (ssize_t)here.iov_len;
    address_copy(to, read ? &copy.any : NULL, (socklen_t)here.iov_len);
}

/** Settles the policy of a connection that connect() is about to make. */
static void settle_client(struct conn *c, const struct sockaddr *addr, socklen_t len)
{
    struct newborn newborn = {.role = ROLE_CLIENT};
    if (rules_need_address(&shim.config.rules))
        peek_address(&newborn.peer, addr, len);
    c->policy = settle(&newborn);
}

/** Claims what is behind fd; `known`: it is recorded. Otherwise, or if that is stale, adopts.
 */
static struct conn *claim_or_adopt(int fd, bool *known)
{
    bool recorded = table_find(fd) != NULL;
    struct conn *c = table_claim(fd);
    *known = c && (!conn_is(c, CONN_BORN) || facts_is_same(fd, c));
    if (*known || (recorded && !c))
        return c;
    if (c)
        table_release(c);
    return adopt(fd);
}

/** Settles and arms c, and returns whether it is TCP. */
static bool prepare(int fd, struct conn *c, bool known, const struct sockaddr *addr,
                    socklen_t len)
{
    settle_client(c, addr, len);
    if (wants_arming(c))
        arm(fd, c);
    /* The kernel refuses to arm what is no TCP; otherwise one has to ask. */
    return !known || (wants_arming(c) ? conn_is(c, CONN_ARMED) : facts_is_tcp(fd));
}

struct birth birth_connecting(int fd, const struct sockaddr *addr, socklen_t len)
{
    struct birth birth = {.fd = fd};
    if (table_peek(fd) == TABLE_NO_TCP)
        return birth;
    int saved = errno;
    bool known;
    struct conn *c = claim_or_adopt(fd, &known);
    if (c) {
        if (conn_is(c, CONN_BORN) || prepare(fd, c, known, addr, len))
            birth.c = c;
        birth.generation = conn_generation(c);
        table_release(c);
    }
    birth.begun = shim.config.stats ? clock_now() : 0;
    errno = saved;
    return birth;
}

struct birth birth_sending(int fd, int flags, const struct sockaddr *addr, socklen_t len)
{
    bool begins = fd >= 0 && (flags & MSG_FASTOPEN) && shim.active;
    return begins ? birth_connecting(fd, addr, len) : (struct birth){.fd = fd};
}

/** For the record and the rules. */
static void note_addresses(int fd, struct conn *c)
{
    if (shim.addresses)
        facts_addresses(fd, &c->local, &c->peer);
}

void birth_count(struct conn *c)
{
    if (!shim.config.stats || conn_is(c, CONN_COUNTED))
        return;
    conn_mark(c, CONN_COUNTED);
    stats_connection(c->policy);
}

/** From now on c is a connection. */
static void born(int fd, struct conn *c, enum role role)
{
    c->role = role;
    c->cookie = facts_cookie(fd);
    conn_mark(c, CONN_BORN);
    if (!birth_app_linger(c) && !conn_is(c, CONN_AGAIN)) /* an entry has its cookie, perhaps */
        reap_note(c);
    reap_tick();
}

void birth_failed(int fd, int error)
{
    struct conn *c = shim.config.stats ? table_find(fd) : NULL;
    if (!c || !conn_is(c, CONN_BORN) || c->role != ROLE_CLIENT)
        return;
    int saved = errno;
    if (facts_is_same(fd, c) && !facts_ask(fd).established) {
        conn_mark(c, CONN_FAILED);
        stats_connect(c->policy, 0, error);
    }
    errno = saved;
}

/** connect() to addr is under way, or done. */
static void connected(int fd, struct conn *c, bool done, const struct sockaddr *addr,
                      socklen_t len)
{
    note_addresses(fd, c);
    if (c->peer.any.sa_family == AF_UNSPEC)
        address_copy(&c->peer, addr, len); /* in SYN_SENT the kernel does not tell */
    if (!conn_is(c, CONN_BORN))
        born(fd, c, ROLE_CLIENT);
    if (done && shim.config.stats && facts_ask(fd).established) /* Fast Open may only begin */
        birth_count(c);
}

/** For the statistics: connect() returned r with errno. */
static void count_connect(struct birth *birth, struct conn *c, long r)
{
    bool again = r < 0 && errno == ECONNABORTED && conn_is(c, CONN_FAILED);
    conn_unmark(c, CONN_FAILED);
    if (!again) /* why it failed was told by SO_ERROR, and is not known here any more */
        stats_connect(c->policy, clock_now() - birth->begun, r >= 0 ? 0 : errno);
}

void birth_connected(struct birth *birth, long r, const struct sockaddr *addr, socklen_t len)
{
    struct conn *c =
        birth->c ? table_claim_again(birth->fd, birth->c, birth->generation) : NULL;
    if (!c)
        return;
    int saved = errno;
    if (shim.config.stats)
        count_connect(birth, c, r);
    /* EINTR: the handshake goes on (connect(2)). EALREADY, EISCONN: it began earlier. */
    bool under_way = r >= 0 || saved == EINPROGRESS || saved == EINTR;
    if (under_way && addr && addr->sa_family != AF_UNSPEC)
        connected(birth->fd, c, r >= 0, addr, len);
    else if (!conn_is(c, CONN_BORN))
        disarm(birth->fd, c);
    table_release(c);
    errno = saved;
}

void birth_sent(struct birth *birth, long r, const struct msghdr *msg)
{
    bool taken = r >= 0 || errno == EINPROGRESS || errno == EINTR;
    birth_connected(birth, r, taken ? msg->msg_name : NULL, taken ? msg->msg_namelen : 0);
}

/**
 * Whether TCP_LINGER2 has to be looked at: an accepted socket inherits it (fact 9), and who set
 * it on a listener that we did not see being made is not known.
 */
static void set_back(int fd, struct conn *c, struct conn *listener)
{
    if (conn_is(c, CONN_APP_LINGERS) || (listener && !conn_is(listener, CONN_ARMED)))
        return;
    if (facts_linger2(fd) < 0)
        lever_fin_rst_off(fd);
}

void birth_accepted(int listener_fd, int fd, uint32_t epoch)
{
    if (!may_record(fd))
        return;
    int saved = errno;
    struct conn *listener = table_peek(listener_fd);
    bool tcp = table_is_conn(listener) || (!listener && facts_is_tcp(fd));
    table_set(fd, tcp ? conn_new(epoch) : TABLE_NO_TCP);
    struct conn *c = tcp ? table_claim(fd) : NULL;
    if (!c) {
        errno = saved;
        return;
    }
    if (listener)
        conn_mark(c, atomic_load(&listener->flags) & CONN_APP_LINGERS);
    else if (facts_linger(fd))
        conn_mark(c, CONN_APP_LINGER);
    note_addresses(fd, c);
    struct newborn newborn = {.role = ROLE_SERVER, .local = c->local, .peer = c->peer};
    c->policy = settle(&newborn);
    if (wants_arming(c))
        arm(fd, c);
    else
        set_back(fd, c, listener);
    born(fd, c, ROLE_SERVER);
    birth_count(c);
    table_release(c);
    errno = saved;
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

static void born_elsewhere(int fd, struct conn *c)
{
    note_addresses(fd, c);
    struct newborn newborn = {.role = ROLE_UNKNOWN, .local = c->local, .peer = c->peer};
    c->policy = settle(&newborn);
    if (wants_arming(c))
        arm(fd, c);
    born(fd, c, ROLE_UNKNOWN);
    birth_count(c);
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
    c->cookie = facts_cookie(fd);
    if (!facts_is_listener(fd))
        born_elsewhere(fd, c);
    table_release(c);
}
