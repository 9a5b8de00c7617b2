#include "launcher/supervise/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#define GUARDS   256
#define GUARD_MS 10 /* shorter than the least age of an entry that is taken */

/* A ring; the first one ends first. */
static struct {
    int fd;
    int64_t until_ms;
} guards[GUARDS];
static unsigned first, count;

static void set(int fd, int option, int value)
{
    (void)setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value));
}

static int get(int fd, int level, int option)
{
    int value = 0;
    socklen_t len = sizeof(value);
    return getsockopt(fd, level, option, &value, &len) == 0 ? value : 0;
}

static bool bind_to(int guard, uint16_t port, uint8_t family)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address = {.any.sa_family = family};
    address.in.sin_port = htons(port); /* at the same place in both families */
    socklen_t len = family == AF_INET6 ? sizeof(address.in6) : sizeof(address.in);
    return bind(guard, &address.any, len) == 0;
}

/** Two sockets of one user that both have SO_REUSEPORT share a port; a third one cannot bind it
 * without that, since the guard has no SO_REUSEADDR (inet_bind_conflict()). */
static int make(int fd, uint16_t port, uint8_t family)
{
    int guard = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (guard < 0)
        return -1;
    if (family == AF_INET6) {
        int only = get(fd, IPPROTO_IPV6, IPV6_V6ONLY);
        (void)setsockopt(guard, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
    }
    set(guard, SO_REUSEADDR, 1);
    set(guard, SO_REUSEPORT, 1);
    if (bind_to(guard, port, family)) {
        set(guard, SO_REUSEADDR, 0);
        return guard;
    }
    close(guard);
    return -1;
}

static void end_first(void)
{
    close(guards[first].fd);
    first = (first + 1) % GUARDS;
    count--;
}

void guard_hold(int fd, uint16_t port, uint8_t family, int64_t now_ms)
{
    int had = get(fd, SOL_SOCKET, SO_REUSEPORT);
    set(fd, SO_REUSEPORT, 1);
    int guard = make(fd, port, family);
    set(fd, SO_REUSEADDR, 1);
    if (!had)
        set(fd, SO_REUSEPORT, 0);
    if (guard < 0)
        return;
    if (count == GUARDS)
        end_first();
    unsigned last = (first + count++) % GUARDS;
    guards[last].fd = guard;
    guards[last].until_ms = now_ms + GUARD_MS;
}

int guard_expire(int64_t now_ms)
{
    while (count > 0 && now_ms >= guards[first].until_ms)
        end_first();
    return count > 0 ? (int)(guards[first].until_ms - now_ms) : -1;
}
