#include "kernel/sharing.h"

#include <arpa/inet.h>

#define TRIES_SHARE 8 /* blocks */

/* Blocks that lie side by side are alike. A prime, so that each one's turn comes. */
#define SHARE_STRIDE 619

/* Where no port was had, the next try is not at once: the peer may have sockets at all of them.
 * But soon: another thread's connect() may be about to show one, where none was seen, and those
 * that are closing are gone then. */
#define NO_SHARE_MS 100

#define RESERVED_MS 1000 /* ip_local_reserved_ports is read again then */

/** The first block that has a port of the range, and how many have one. */
static unsigned blocks_of(const struct sysctls *sysctls, unsigned *count)
{
    unsigned first = sysctls->low / (2u * BLOCK_PORTS) * 2;
    *count = sysctls->high / (2u * BLOCK_PORTS) * 2 + 2 - first;
    return first;
}

/** The ports that an administrator has reserved for services; NULL: they are not known. */
static const struct port_set *find_reserved(int64_t now_ms)
{
    static struct port_set set;
    static bool known;
    static int64_t read_ms;
    if (!read_ms || now_ms >= read_ms + RESERVED_MS) {
        known = sysctls_read_reserved(&set);
        read_ms = now_ms;
    }
    return known ? &set : NULL;
}

/* The sockets to a peer, by whether a look-up of wanted finds them. */
struct sight {
    const struct diag_socket *wanted;
    unsigned here, elsewhere;
};

static void see(const struct diag_socket *socket, void *context)
{
    struct sight *sight = context;
    uint32_t interface = socket->id.interface;
    bool found = block_is_from(socket, sight->wanted) &&
                 (interface == 0 || interface == sight->wanted->id.interface);
    *(found ? &sight->here : &sight->elsewhere) += 1;
}

static void avoid_port(const struct diag_socket *socket, void *set)
{
    port_put(set, ntohs(socket->id.local_port));
}

static bool is_seen(const struct peer *peer, int64_t now_ms)
{
    return now_ms < peer->seen_ms + FILL_MS;
}

static bool see_sockets(int diag, struct sight *sight, struct port_set *avoid)
{
    const unsigned states = ((1u << STATES) - 1) & ~(1u << STATE_LISTEN);
    const struct diag_socket *wanted = sight->wanted;
    return diag_each_to(diag, wanted, wanted->family, states, see, sight) &&
           (wanted->family == AF_INET6 ||
            diag_each_to(diag, wanted, AF_INET6, states, see, sight)) &&
           (sight->here > 0 || diag_each(diag, 1u << STATE_FIN_WAIT2, avoid_port, avoid));
}

/**
 * Whether a port without a socket to the peer is one: connect() may choose another source
 * address than find_source() was told (ip-rule(8)), or BPF another peer, and take over what was
 * not looked at. So no socket to the peer is from elsewhere, and some is from here. Where there
 * is none, one port is tried, without a FIN_WAIT2 entry (fact 16), and the next ones as
 * sharing_finish() finds it.
 */
static bool sees_sockets(struct peer *peer, int64_t now_ms, struct port_set *avoid)
{
    struct sight sight = {.wanted = &peer->wanted};
    if (is_seen(peer, now_ms))
        return true;
    int diag = diag_open();
    if (diag < 0)
        return false;
    bool told = see_sockets(diag, &sight, avoid);
    diag_close(diag);
    if (!told || sight.elsewhere > 0)
        return false;
    if (sight.here > 0)
        peer->seen_ms = now_ms;
    return sight.here > 0 || !sharing_is_unseen(peer, now_ms);
}

/** Also the peer's own, where a socket would connect to itself. False: not known. */
static bool find_avoided(struct peer *peer, int64_t now_ms, struct port_set *avoid)
{
    const struct port_set *reserved = find_reserved(now_ms);
    if (!reserved)
        return false;
    *avoid = *reserved;
    if (peer->local)
        port_put(avoid, ntohs(peer->wanted.id.peer_port));
    return sees_sockets(peer, now_ms, avoid);
}

static enum took share(struct peer *peer, const struct taker *taker, struct lease_entry *entry)
{
    enum took took = TOOK_LATER;
    unsigned count, first = blocks_of(taker->sysctls, &count);
    for (unsigned i = 0; i < TRIES_SHARE && i < count && took == TOOK_LATER; i++) {
        unsigned number = first + peer->shared * SHARE_STRIDE % count;
        struct block *block = &peer->blocks->block[number];
        took = lease_take_unused(taker, number, block, entry);
        if (took == TOOK)
            block->taken = true;
        else
            peer->shared++;
    }
    return took;
}

enum took sharing_take(struct peer *peer, struct taker *taker, int64_t now_ms,
                       struct lease_entry *entry)
{
    static struct port_set avoid; /* one thread at a time */
    if (now_ms < peer->no_share_ms)
        return TOOK_LATER;
    taker->wanted = peer->wanted; /* peer_fill() may have found another source address */
    taker->avoid = &avoid;
    enum took took =
        find_avoided(peer, now_ms, &avoid) ? share(peer, taker, entry) : TOOK_LATER;
    if (took != TOOK)
        peer->no_share_ms = now_ms + NO_SHARE_MS;
    else
        peer->shared_ms = now_ms;
    if (took == TOOK && !is_seen(peer, now_ms))
        peer->unseen_ms = now_ms + ALONE_MS; /* unless sharing_finish() finds it */
    return took;
}

bool sharing_is_unseen(const struct peer *peer, int64_t now_ms)
{
    return now_ms < peer->unseen_ms;
}

bool sharing_finds(const struct peer *peer, const struct lease_entry *entry)
{
    struct diag_socket socket = peer->wanted;
    return lease_look(&socket, entry->port) && socket.state != STATE_CLOSE;
}

void sharing_finish(struct peer *peer, bool found, bool lives, int64_t now_ms)
{
    if (found)
        peer->seen_ms = now_ms;
    if (found || !lives)
        peer->unseen_ms = now_ms;
}
