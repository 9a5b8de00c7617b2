/*
 * recycle's server: one process that reads each connection to its end, then closes.
 */
#ifndef RECYCLE_SERVER_H
#define RECYCLE_SERVER_H

#include "recycle.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

static int listeners[DESTINATIONS];

/** The address of the family; a v4-mapped one's listener is IPv4. */
static void server_listen(unsigned i)
{
    bool v6 = word("family") == 6;
    in_addr_t at = word("serve") ? INADDR_ANY : INADDR_LOOPBACK;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(at)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in6 bound = {0};
    int on = 1;
    in.sin_port = in6.sin6_port =
        htons((uint16_t)(word("port") + (word("port") ? 1000 * (long)i : 0)));
    socklen_t len = sizeof(bound);
    listeners[i] = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listeners[i], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    REQUIRE((v6 ? bind(listeners[i], (struct sockaddr *)&in6, sizeof(in6))
                : bind(listeners[i], (struct sockaddr *)&in, sizeof(in))) == 0);
    REQUIRE(listen(listeners[i], 4096) == 0);
    REQUIRE(getsockname(listeners[i], (struct sockaddr *)&bound, &len) == 0);
    if (word("family") == 46)
        REQUIRE(inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6.sin6_addr) == 1);
    in.sin_port = in6.sin6_port = bound.sin6_port; /* at the same place in both families */
    if (word("family") == 4)
        memcpy(&server.at[i], &in, sizeof(in));
    else
        memcpy(&server.at[i], &in6, sizeof(in6));
}

static void server_accept(int epoll, int listener, unsigned *read_bytes)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 || word("deaf"))
        return;
    REQUIRE(fd < 65536);
    read_bytes[fd] = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void server_read(struct shared *shared, int fd, unsigned *read_bytes)
{
    char buf[256];
    ssize_t n = read(fd, buf, sizeof(buf));
    if (n > 0 && memcmp(buf, MESSAGE + read_bytes[fd], (size_t)n) == 0)
        read_bytes[fd] += (unsigned)n;
    bool all = word("last") && read_bytes[fd] == strlen(MESSAGE);
    if ((n > 0 && !all) || (n < 0 && errno == EAGAIN))
        return;
    if (n >= 0 && read_bytes[fd] == strlen(MESSAGE))
        atomic_fetch_add(&shared->whole, 1);
    else
        atomic_fetch_add(&shared->broken, 1);
    close(fd);
}

static void server_run(struct shared *shared)
{
    static unsigned read_bytes[65536];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < server.count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = listeners[i]};
        REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, listeners[i], &event) == 0);
    }
    struct epoll_event events[64];
    for (;;) {
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            unsigned at = 0;
            while (at < server.count && listeners[at] != events[i].data.fd)
                at++;
            if (at < server.count)
                server_accept(epoll, events[i].data.fd, read_bytes);
            else
                server_read(shared, events[i].data.fd, read_bytes);
        }
    }
}

/** Of another host. */
static void server_elsewhere(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)word("port"))};
    REQUIRE(inet_pton(AF_INET, "10.77.0.2", &in.sin_addr) == 1);
    memcpy(&server.at[0], &in, sizeof(in));
    server.count = 1;
}

/** In a process of its own, which ends with this one. */
static pid_t server_start(struct shared *shared)
{
    server.count = (unsigned)word("destinations");
    for (unsigned i = 0; i < server.count; i++)
        server_listen(i);
    shared->server = server;
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        server_run(shared);
    }
    for (unsigned i = 0; i < server.count; i++)
        close(listeners[i]);
    return pid;
}

#endif
