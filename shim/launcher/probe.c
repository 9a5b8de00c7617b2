#include "launcher/probe.h"

#include "kernel/diag.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/** One socket, by its cookie. */
struct wanted {
    uint64_t cookie;
    bool found;
    struct diag_socket socket;
};

static void keep_wanted(const struct diag_socket *socket, void *context)
{
    struct wanted *wanted = context;
    if (diag_cookie(socket) != wanted->cookie)
        return;
    wanted->found = true;
    wanted->socket = *socket;
}

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}

static bool find(int diag, enum tcp_state state, uint64_t cookie, struct diag_socket *socket)
{
    struct wanted wanted = {.cookie = cookie};
    bool told = cookie != 0 && diag_each(diag, 1u << state, keep_wanted, &wanted);
    *socket = wanted.socket;
    return told && wanted.found;
}

/** A listener on that address of this host, which `addr` is set to; -1 when there is none. */
static int listen_at(in_addr_t address, struct sockaddr_in *addr)
{
    socklen_t len = sizeof(*addr);
    *addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)addr, len) == 0 && listen(fd, 1) == 0 &&
        getsockname(fd, (struct sockaddr *)addr, &len) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/** The same on a loopback address. All ports of the usual one may be taken: a client that has
 * used them up is what the reaper is for. */
static int listen_here(struct sockaddr_in *addr)
{
    int fd = listen_at(INADDR_LOOPBACK, addr);
    return fd >= 0 ? fd : listen_at(INADDR_LOOPBACK ^ 0xffffff, addr); /* 127.255.255.254 */
}

/** Tries to destroy a listening socket of ours, which is closed whether it works or not. */
static enum probe try_listener(int diag)
{
    struct sockaddr_in addr;
    struct diag_socket socket;
    enum probe probe = PROBE_UNKNOWN;
    int fd = listen_here(&addr);
    if (fd >= 0 && find(diag, STATE_LISTEN, cookie_of(fd), &socket)) {
        int error = diag_destroy(diag, &socket);
        if (error == 0)
            probe = PROBE_POSSIBLE;
        else if (error == EPERM || error == EACCES)
            probe = PROBE_NOT_PERMITTED;
        else if (error == EOPNOTSUPP)
            probe = PROBE_NO_KERNEL;
    }
    if (fd >= 0)
        close(fd);
    return probe;
}

/** Makes a connection with itself end in TIME_WAIT; its cookie, or 0. */
static uint64_t leave_time_wait(void)
{
    struct sockaddr_in addr;
    uint64_t cookie = 0;
    int listener = listen_here(&addr);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener >= 0 && client >= 0 &&
        connect(client, (const struct sockaddr *)&addr, sizeof(addr)) == 0) {
        int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        cookie = cookie_of(client);
        close(client);
        client = -1;
        if (server >= 0)
            close(server);
    }
    if (client >= 0)
        close(client);
    if (listener >= 0)
        close(listener);
    return cookie;
}

/** Kernels that may destroy sockets may yet refuse for TIME_WAIT entries. */
static enum probe try_time_wait(int diag)
{
    struct diag_socket socket;
    uint64_t cookie = leave_time_wait();
    if (!find(diag, STATE_TIME_WAIT, cookie, &socket))
        return PROBE_POSSIBLE; /* none to try it on */
    return diag_destroy(diag, &socket) == 0 ? PROBE_POSSIBLE : PROBE_NO_TIME_WAIT;
}

enum probe probe_destroy(void)
{
    int diag = diag_open();
    if (diag < 0)
        return PROBE_UNKNOWN;
    enum probe probe = try_listener(diag);
    if (probe == PROBE_POSSIBLE)
        probe = try_time_wait(diag);
    diag_close(diag);
    return probe;
}
