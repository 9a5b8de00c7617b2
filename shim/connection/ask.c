#include "connection/ask.h"

#include "connection/birth.h"
#include "kernel/facts.h"
#include "policy/settings.h"

/** Whether unread input has to be counted: for the record, or to tell an unknown last
 * operation. */
static bool counts_unread(const struct conn *c, enum last_op last)
{
    bool unknown = last == LAST_NONE || last == LAST_UNKNOWN;
    return settings.asking || (unknown && c->policy->kind == POLICY_LAST_READ);
}

/** Bytes, of which a socket keeps less than 2^32. Where all that came was read, or the end was,
 * that is known without a call, unless a late read of another connection was counted, too. */
static uint32_t unread(struct conn *c, int fd, const struct tcp_facts *tcp)
{
    enum last_op last = conn_last(c);
    bool all = last != LAST_UNKNOWN && tcp->state != STATE_CLOSE &&
               atomic_load(&c->read) == (uint32_t)tcp->received;
    return all || last == LAST_EOF ? 0 : facts_unread(fd);
}

/** A reset follows a read: not where stdio, or another that calls no hook, has written. */
static bool may_have_written(struct conn *c, const struct tcp_facts *tcp)
{
    enum last_op last = conn_last(c);
    if (c->policy->kind != POLICY_LAST_READ || (last != LAST_READ && last != LAST_EOF))
        return false;
    uint32_t acked = (uint32_t)tcp->acked - conn_is(c, CONN_CLIENT);
    return !tcp->unacked && (int32_t)(acked - atomic_load(&c->written)) > 0;
}

/** What the hooks saw, or, where they saw nothing although bytes went to and fro, unknown. */
static enum last_op last_op(enum last_op seen, const struct tcp_facts *tcp, uint32_t unread)
{
    bool used = tcp->sent > 0 || tcp->received > unread;
    return seen == LAST_NONE && used ? LAST_UNKNOWN : seen;
}

/** Where neither the hooks nor the kernel tell: clients read their answers. But not where one
 * has read and, before or after it, has written unseen. */
static enum last_op guess(struct conn *c)
{
    return conn_last(c) == LAST_NONE && conn_is(c, CONN_CLIENT) ? LAST_READ : LAST_WRITE;
}

/** For the board alone: what was seen tells whether it was established. */
static void assume(struct conn *c, struct record *record)
{
    enum last_op last = settings.counting ? conn_last(c) : LAST_UNKNOWN;
    if (last == LAST_READ || last == LAST_EOF || last == LAST_WRITE)
        birth_count(c);
    record->established = conn_is(c, CONN_COUNTED);
}

void ask(struct conn *c, struct record *record, struct facts *facts)
{
    facts->state = STATE_ESTABLISHED;
    if (!policy_kinds[c->policy->kind].asks && !settings.asking)
        return assume(c, record);
    struct tcp_facts tcp = facts_ask(record->fd);
    enum last_op seen = may_have_written(c, &tcp) ? LAST_UNKNOWN : conn_last(c);
    record->unread = counts_unread(c, seen) ? unread(c, record->fd, &tcp) : 0;
    record->unacked = settings.asking ? facts_unacked(record->fd, &tcp) : 0;
    record->established =
        tcp.established || (tcp.state == STATE_CLOSE && conn_is(c, CONN_SERVER));
    record->state = tcp.state;
    record->last = last_op(seen, &tcp, record->unread);
    if (record->established)
        birth_count(c);
    facts->state = tcp.state;
    facts->unacked = tcp.unacked;
    facts->last = facts_resolve_last(record->last, &tcp, record->unread, guess(c));
}

void ask_what_it_is(const struct conn *c, struct record *record)
{
    record->policy = c->policy;
    record->role = conn_role(c);
    record->local = c->local;
    record->peer = c->peer;
    record->slot = c->slot;
    record->recycled = (atomic_load(&c->flags) & CONN_RECYCLED) != 0;
    record->connect_ns = c->connect_ns;
}
