/* results: bind(), and SO_REUSEADDR, which the library sets for clients of no port of their
 * own. */
#ifndef RESULTS_REUSE_H
#define RESULTS_REUSE_H

#include "results_connections.h"

static void try_bind_on(int family)
{
    struct address at = loopback(families[family]);
    const struct address *used = &listener_at[family];
    int fd = socket(families[family], SOCK_STREAM, 0);

    CALL("bind", bind(fd, &used->u.any, used->size), "a port in use");
    CALL("bind", bind(fd, bad, at.size), "bad pointer");
    CALL("bind", bind(fd, &at.u.any, 3), "3 bytes");
    CALL("bind", bind(fd, &at.u.any, at.size), "any port");
    CALL("bind", bind(fd, &at.u.any, at.size), "bound already");
    (void)close(fd);
}

static void ask_reuse(const char *name, int fd, const char *what)
{
    int value = -1;
    socklen_t size = sizeof value;

    CALL(name, getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, &size), "SO_REUSEADDR, %s",
         what);
    extra("value=%d", value);
}

/* SO_REUSEADDR is what recycling sets: those lines begin with `reused`. */
static void try_reuse_untouched(const struct side *side)
{
    int fd = connected(side);

    ask_reuse(side->server ? "getsockopt" : "reused", fd, side->name);
    clean(fd);
}

enum own { OWN_BIND, OWN_REUSEADDR, OWN_REUSEPORT, OWNS };

/* A client of the application's own port, or with a wish of its own, is left as it is. */
static void try_reuse_own(enum own own)
{
    static const char *const names[OWNS] = {"bound", "set to 0", "SO_REUSEPORT"};
    const struct address *to = &peer_listener_at[0];
    struct address any = loopback(AF_INET);
    int fd = socket(AF_INET, SOCK_STREAM, 0), value = own == OWN_REUSEPORT;

    if (own == OWN_BIND)
        (void)bind(fd, &any.u.any, any.size);
    else
        (void)setsockopt(fd, SOL_SOCKET, own == OWN_REUSEPORT ? SO_REUSEPORT : SO_REUSEADDR,
                         &value, sizeof value);
    if (connect(fd, &to->u.any, to->size) < 0)
        die("connect");
    peer = raw_accept(peer_listeners[0]);
    ask_reuse("getsockopt", fd, names[own]);
    clean(fd);
}

static void results_reuse(void)
{
    for (int family = 0; family < FAMILIES; family++)
        try_bind_on(family);
    CALL("bind", bind(NO_FD, NULL, 0), "no fd");
    ask_reuse("getsockopt", listeners[0], "listener");
    for (int side = 0; side < SIDES; side++)
        try_reuse_untouched(&sides[side]);
    for (int own = 0; own < OWNS; own++)
        try_reuse_own((enum own)own);
}

#endif
