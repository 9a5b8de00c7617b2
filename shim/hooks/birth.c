/*
 * birth: the calls by which a socket becomes a TCP connection of ours.
 */
#include "connection/birth.h"
#include "connection/ending.h"
#include "connection/table.h"
#include "hooks/hooks.h"
#include "policy/settings.h"

#include <errno.h>

int hook_socket(int domain, int type, int protocol)
{
    uint32_t epoch = process_epoch();
    int fd = next.socket(domain, type, protocol);
    if (fd >= 0 && settings.active)
        birth_socket(fd, domain, type, protocol, epoch);
    return fd;
}

/** The application has chosen its port, or its address: recycling leaves the socket alone. */
int hook_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    int r = next.bind(fd, addr, len);
    if (r == 0)
        birth_bound(fd);
    return r;
}

/*
 * The address is only looked at after the kernel took it: a bad pointer is EFAULT, not a crash.
 * connect(AF_UNSPEC) dissolves a connection (connect(2)): the kernel sends RST.
 */
int hook_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    if (!settings.active)
        return next.connect(fd, addr, len);
    struct ending ending;
    bool may_end = ending_disconnect(&ending, fd);
    struct birth birth = birth_connecting(fd, addr, len);
    int r = next.connect(fd, addr, len);
    while (birth_found_port(&birth, r, addr, len))
        r = next.connect(fd, addr, len);
    birth_connected(&birth, r, addr, len);
    if (may_end)
        ending_disconnected(&ending, r == 0 && addr->sa_family == AF_UNSPEC);
    return r;
}

static int accepted(int listener, int fd, uint32_t epoch)
{
    if (fd >= 0 && settings.active)
        birth_accepted(listener, fd, epoch);
    return fd;
}

int hook_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    uint32_t epoch = process_epoch();
    return accepted(fd, next.accept(fd, addr, len), epoch);
}

int hook_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    uint32_t epoch = process_epoch();
    return accepted(fd, next.accept4(fd, addr, len, flags), epoch);
}
