#include "launcher/advise/watch.h"

#include "kernel/blocks.h"
#include "kernel/clock.h"
#include "launcher/memory.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define ALL_STATES ((1u << STATES) - 1)

/* One look, as it comes in. */
static struct look {
    struct watched *watched;
    struct sysctls sysctls;
    uint32_t since_ms; /* the last look */
    bool listens[65536];
    struct service *last; /* most entries are of one service */
    struct ends *ends;    /* of the entries in TIME_WAIT whose peers are here, too */
    size_t count, room;
} look;

/* A connection, as one of its ends has it. */
struct ends {
    struct end {
        uint32_t address[4], port;
    } local, peer;
    uint32_t family;
};

static bool is_same(const struct service *service, const struct diag_socket *socket)
{
    return service->id.peer_port == socket->id.peer_port && service->family == socket->family &&
           memcmp(service->id.peer, socket->id.peer, sizeof(socket->id.peer)) == 0;
}

static struct service *find(struct watched *watched, const struct diag_socket *socket)
{
    if (look.last && is_same(look.last, socket))
        return look.last;
    for (size_t i = 0; i < watched->count; i++)
        if (is_same(&watched->services[i], socket))
            return &watched->services[i];
    watched->services = grow(watched->services, &watched->room, watched->count + 1,
                             sizeof(watched->services[0]));
    struct service *service = &watched->services[watched->count++];
    *service = (struct service){.family = socket->family, .id = socket->id};
    return service;
}

static void note_listener(const struct diag_socket *socket, void *unused)
{
    (void)unused;
    look.listens[ntohs(socket->id.local_port)] = true;
}

static void unmap(uint32_t address[4])
{
    address[0] = address[3];
    address[1] = address[2] = address[3] = 0;
}

/** A v4-mapped one counts as IPv4. */
static struct diag_socket unmapped(const struct diag_socket *socket)
{
    struct diag_socket plain = *socket;
    struct in6_addr address;
    memcpy(&address, socket->id.peer, sizeof(address));
    if (socket->family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&address))
        return plain;
    plain.family = AF_INET;
    unmap(plain.id.peer);
    unmap(plain.id.local);
    return plain;
}

/** Its peer is of this host, as far as that shows: the other end is listed, too. */
static bool is_here(const struct diag_socket *socket)
{
    if (memcmp(socket->id.peer, socket->id.local, sizeof(socket->id.peer)) == 0)
        return true;
    return socket->family == AF_INET && ntohl(socket->id.peer[0]) >> 24 == IN_LOOPBACKNET;
}

static void keep_ends(const struct diag_socket *socket)
{
    struct ends ends = {.local.port = socket->id.local_port,
                        .peer.port = socket->id.peer_port,
                        .family = socket->family};
    memcpy(ends.local.address, socket->id.local, sizeof(ends.local.address));
    memcpy(ends.peer.address, socket->id.peer, sizeof(ends.peer.address));
    look.ends = grow(look.ends, &look.room, look.count + 1, sizeof(look.ends[0]));
    look.ends[look.count++] = ends;
}

static int compare_ends(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ends));
}

/** Both ends have an entry: each had sent its FIN before it got the other's. */
static bool both_ended(const struct ends *ends)
{
    struct ends other = {.local = ends->peer, .peer = ends->local, .family = ends->family};
    return bsearch(&other, look.ends, look.count, sizeof(other), compare_ends) != NULL;
}

/** Of a server here; of one that has ended, by its port, which connect() does not give, where
 * the peer's is one that it does. */
static bool is_servers(uint16_t port, uint16_t peer_port)
{
    return look.listens[port] ||
           (!range_has(&look.sysctls, port) && range_has(&look.sysctls, peer_port));
}

static void count_both(struct watched *watched)
{
    qsort(look.ends, look.count, sizeof(look.ends[0]), compare_ends);
    for (size_t i = 0; i < look.count; i++) {
        const struct ends *ends = &look.ends[i];
        struct diag_socket socket = {.family = (uint8_t)ends->family};
        if (is_servers(ntohs((uint16_t)ends->local.port), ntohs((uint16_t)ends->peer.port)) ||
            !both_ended(ends))
            continue;
        socket.id.peer_port = (uint16_t)ends->peer.port;
        memcpy(socket.id.peer, ends->peer.address, sizeof(socket.id.peer));
        find(watched, &socket)->both_now++;
    }
}

static void note_server(const struct diag_socket *socket, uint16_t port)
{
    if (socket->state == STATE_TIME_WAIT)
        look.watched->server_time_wait += block_age(socket) < look.since_ms;
    else if (socket->unread > 0)
        look.watched->behind[port]++;
}

static void note(const struct diag_socket *socket, void *unused)
{
    (void)unused;
    uint16_t port = ntohs(socket->id.local_port);
    struct diag_socket plain = unmapped(socket);
    bool here = is_here(&plain);
    if (here && socket->state == STATE_TIME_WAIT)
        keep_ends(&plain);
    if (is_servers(port, ntohs(socket->id.peer_port))) {
        note_server(socket, port);
        return;
    }
    struct service *service = look.last = find(look.watched, &plain);
    service->used += range_has(&look.sysctls, port);
    service->here = service->here || here;
    service->both_now += socket->state == STATE_CLOSING;
    if (socket->state == STATE_TIME_WAIT) {
        service->time_wait++;
        service->made += block_age(socket) < look.since_ms;
    } else if (socket->state == STATE_ESTABLISHED) {
        service->open++;
    }
}

static void begin_look(struct watched *watched, int64_t now)
{
    look.watched = watched;
    look.last = NULL;
    look.count = 0;
    look.sysctls = sysctls_read();
    if (watched->looks++ == 0)
        watched->begun_ns = watched->last_ns = now;
    look.since_ms = (uint32_t)((now - watched->last_ns) / NS_PER_MS);
    watched->last_ns = now;
    memset(look.listens, 0, sizeof(look.listens));
    memset(watched->behind, 0, sizeof(watched->behind));
    for (size_t i = 0; i < watched->count; i++) {
        struct service *service = &watched->services[i];
        service->time_wait = service->open = service->used = service->both_now = 0;
    }
}

bool watch_look(struct watched *watched, int diag)
{
    begin_look(watched, clock_now());
    if (!diag_each(diag, 1u << STATE_LISTEN, note_listener, NULL) ||
        !diag_each(diag, ALL_STATES & ~(1u << STATE_LISTEN), note, NULL))
        return false;
    if (look.count > 0)
        count_both(watched);
    for (size_t i = 0; i < watched->count; i++) {
        struct service *service = &watched->services[i];
        service->both = service->both_now > service->both ? service->both_now : service->both;
        unsigned behind = watched->behind[ntohs(service->id.peer_port)];
        service->most = service->time_wait > service->most ? service->time_wait : service->most;
        service->behind = behind > service->behind ? behind : service->behind;
        service->open_sum += service->open;
    }
    return true;
}

void watch_mark(struct watched *watched, const union address *peer)
{
    struct diag_socket socket = {.family = (uint8_t)peer->any.sa_family};
    socket.id.peer_port = peer->in.sin_port; /* at the same place in both families */
    if (socket.family == AF_INET)
        socket.id.peer[0] = peer->in.sin_addr.s_addr;
    else
        memcpy(socket.id.peer, &peer->in6.sin6_addr, sizeof(socket.id.peer));
    socket = unmapped(&socket);
    look.last = NULL; /* what it points to may move */
    find(watched, &socket)->wanted = true;
}

/** In the order of new entries, then of entries; two that have as many stand as they came. */
static bool is_busier(const struct service *a, const struct service *b)
{
    if (a->made != b->made)
        return a->made > b->made;
    return a->most != b->most ? a->most > b->most : a < b;
}

const struct service *watch_busiest(const struct watched *watched, const struct service *behind)
{
    const struct service *busiest = NULL;
    bool wanted = false;
    for (size_t i = 0; i < watched->count; i++)
        wanted = wanted || watched->services[i].wanted;
    for (size_t i = 0; i < watched->count; i++) {
        const struct service *service = &watched->services[i];
        if (service->most > 0 && service->wanted == wanted &&
            (!behind || is_busier(behind, service)) &&
            (!busiest || is_busier(service, busiest)))
            busiest = service;
    }
    return busiest;
}

double watch_seconds(const struct watched *watched)
{
    return (double)(watched->last_ns - watched->begun_ns) / (double)NS_PER_S;
}

void watch_service_text(struct text *text, const struct service *service)
{
    union address address = {.any.sa_family = service->family};
    address.in.sin_port = service->id.peer_port;
    if (service->family == AF_INET)
        address.in.sin_addr.s_addr = service->id.peer[0];
    else
        memcpy(&address.in6.sin6_addr, service->id.peer, sizeof(service->id.peer));
    address_text(text, &address);
}

bool watch_is_loopback(const struct service *service)
{
    if (service->family == AF_INET)
        return ntohl(service->id.peer[0]) >> 24 == IN_LOOPBACKNET;
    return memcmp(service->id.peer, &in6addr_loopback, sizeof(in6addr_loopback)) == 0;
}
