#include "kernel/levers.h"

#include "kernel/clock.h"
#include "kernel/facts.h"
#include "kernel/libc.h"
#include "kernel/process.h"
#include "kernel/raw.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

static bool set_linger(int fd, int on, uint32_t seconds)
{
    struct linger linger = {.l_onoff = on, .l_linger = (int)seconds};
    return next.setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0;
}

static bool set_linger2(int fd, int value)
{
    return next.setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &value, sizeof(value)) == 0;
}

bool lever_rst(int fd)
{
    return set_linger(fd, 1, 0);
}

bool lever_linger(int fd, uint32_t seconds)
{
    return set_linger(fd, 1, seconds);
}

bool lever_linger_off(int fd)
{
    return set_linger(fd, 0, 0);
}

void lever_mark_as_seen(int fd)
{
    static const int on = 1;
    raw_call(SYS_setsockopt, fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on));
}

bool lever_fin_rst(int fd)
{
    return set_linger2(fd, -1);
}

bool lever_fin_rst_off(int fd)
{
    return set_linger2(fd, 0);
}

#define UNTOLD 65536u /* bytes: SIOCINQ says 0 of a Fast Open's data in SYN_RECV */
#define PIECE  (1u << 20)
#define PIECES 16u

/** Names `bytes`, or as many as can be named; returns by how many pieces. */
static uint8_t name_pieces(struct iovec pieces[PIECES], size_t bytes)
{
    static char nowhere[PIECE]; /* tcp_recvmsg() copies nothing there: it takes no memory */
    uint8_t count = 0;
    for (; bytes > 0 && count < PIECES; count++) {
        size_t len = bytes < PIECE ? bytes : PIECE;
        pieces[count] = (struct iovec){nowhere, len};
        bytes -= len;
    }
    return count;
}

/**
 * 1: there is something to discard; 0: the peer's EOF; -1: nothing. SIOCINQ counts no urgent
 * byte, and no data of a Fast Open in SYN_RECV.
 */
static long look(int fd, uint32_t unread)
{
    struct pollfd input = {.fd = fd, .events = POLLIN | POLLPRI | POLLRDHUP};
    struct raw_time at_once = raw_time(0);
    if (unread > 0)
        return 1;
    if (raw_poll(&input, 1, &at_once) <= 0 || !(input.revents & (POLLIN | POLLPRI)))
        return -1;
    return (input.revents & (POLLPRI | POLLRDHUP)) == POLLRDHUP ? 0 : 1;
}

/** An urgent byte stays in the queue when recv(MSG_OOB) has read it, and nobody counts it. */
static bool is_at_urgent_byte(int fd)
{
    int urgent = 0;
    return raw_call(SYS_ioctl, fd, SIOCATMARK, &urgent) == 0 && urgent;
}

/**
 * Discards what has arrived, without copying it and never waiting (fact 7), while nobody can
 * make a copy of the socket, which would miss it.
 *
 * Names no more bytes than there are, and memory that there is, since checkers of memory
 * (helgrind, memcheck) take it for written: the same piece, again and again.
 */
static long discard_once(int fd, uint32_t unread, const struct lever_owner *owner,
                         struct facts *facts)
{
    struct iovec pieces[PIECES];
    struct msghdr msg = {.msg_iov = pieces};
    msg.msg_iovlen = name_pieces(pieces, unread > 0 ? unread : UNTOLD);
    owner->hold(owner->of);
    facts->sole = owner->is_sole(owner->of);
    return facts->sole ? raw_call(SYS_recvmsg, fd, &msg, MSG_TRUNC | MSG_DONTWAIT) : -1;
}

/**
 * The same, at most `calls` times, since MSG_TRUNC stops at an urgent byte. Returns what the
 * last call did: > 0 when there may be more, 0 at the peer's EOF, -1 when nothing is left, or
 * it is not ours alone.
 */
static long discard(int fd, int calls, const struct lever_owner *owner, struct facts *facts)
{
    long r = -1;
    while (calls-- > 0) {
        uint32_t unread = facts_unread(fd);
        r = look(fd, unread);
        if (r > 0)
            r = discard_once(fd, unread, owner, facts);
        if (r <= 0)
            break;
        facts->discarded = true;
    }
    return r;
}

/**
 * Waits for `ns`, or for input where fd is not -1, or for a signal's handler. The thread's
 * state stays as it is, so that a handler may leave by siglongjmp().
 */
static void wait_for(int fd, int64_t ns)
{
    struct pollfd input = {.fd = fd, .events = POLLIN};
    struct raw_time left = raw_time(ns);
    bool other = raw_poll(&input, 1, &left) > 0 && !(input.revents & POLLIN);
    /* A full error queue does not pass: POLLERR would return at once for ever. */
    if (other && !process_is_sealed())
        raw_poll(NULL, 0, &left);
}

static void ask_again(int fd, struct facts *facts)
{
    struct tcp_facts tcp = facts_ask(fd);
    facts->state = tcp.state;
    facts->unacked = tcp.unacked;
}

static bool drained(const struct facts *facts, bool to_eof)
{
    return !policy_state_resets(facts->state) ||
           (!facts->unacked && (!to_eof || facts->state == STATE_CLOSE_WAIT));
}

/**
 * An acknowledgement wakes nobody: asks again after 100 us, 200 us, ... 4 ms. Ends where a
 * handler, or another thread, has put another socket behind fd, copied it, or put a filter in
 * our way.
 */
static void drain(int fd, bool to_eof, uint32_t ms, const struct lever_owner *owner,
                  struct facts *facts)
{
    int64_t deadline = clock_now() + ms * NS_PER_MS;
    int64_t step = 100 * NS_PER_US;
    for (uint64_t cookie = 0;;) {
        bool at_eof = discard(fd, 4, owner, facts) == 0;
        int64_t left = deadline - clock_now();
        facts->sole = owner->is_sole(owner->of);
        if (!facts->sole || drained(facts, to_eof) || left <= 0)
            return;
        owner->let_go(owner->of);
        facts->waited = true;
        cookie = cookie ? cookie : facts_cookie(fd);
        wait_for(at_eof ? -1 : fd, left < step ? left : step);
        if (process_is_sealed() || facts_cookie(fd) != cookie)
            return;
        step = step < 2 * NS_PER_MS ? 2 * step : 4 * NS_PER_MS;
        ask_again(fd, facts);
    }
}

static void sleep_for(int fd, uint32_t ms, struct facts *facts)
{
    int64_t deadline = clock_now() + ms * NS_PER_MS;
    for (int64_t left = deadline - clock_now(); left > 0; left = deadline - clock_now()) {
        facts->waited = true;
        wait_for(-1, left);
        if (process_is_sealed())
            return;
    }
    /* From the other states, only a reset leads to one in which SO_LINGER would not be right.
     */
    if (facts->state == STATE_FIN_WAIT1 || facts->state == STATE_FIN_WAIT2)
        ask_again(fd, facts);
}

void lever_prepare(int fd, enum prepare what, const struct policy *policy,
                   const struct lever_owner *owner, struct facts *facts)
{
    switch (what) {
    case PREPARE_NONE:
        break;
    case PREPARE_DISCARD:
        facts->unread = discard(fd, 4, owner, facts) > 0;
        if (!facts->unread && is_at_urgent_byte(fd))
            discard_once(fd, 0, owner, facts);
        break;
    case PREPARE_DRAIN:
    case PREPARE_DRAIN_EOF:
        drain(fd, what == PREPARE_DRAIN_EOF, policy->argument, owner, facts);
        break;
    case PREPARE_SLEEP:
        sleep_for(fd, policy->argument, facts);
        break;
    }
}
