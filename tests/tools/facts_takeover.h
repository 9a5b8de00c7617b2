/*
 * facts about taking over a port in TIME_WAIT: who may, and what is in the way.
 */
#ifndef FACTS_TAKEOVER_H
#define FACTS_TAKEOVER_H

#include "facts.h"

#include "facts_ask.h"
#include "facts_ports.h"

#include <sched.h>

/** bind() with SO_REUSEADDR, or without, then connect(): 0 or an errno. */
static int bind_connect(const struct sockaddr_in6 *from, const struct sockaddr_in6 *to,
                        const char *device, int reuse)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set(fd, SOL_SOCKET, SO_REUSEADDR, reuse);
    HOLDS(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) == 0);
    bool done = bind(fd, (const struct sockaddr *)from, sizeof(*from)) == 0 &&
                connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0;
    int error = done ? 0 : errno;
    close(fd);
    return error;
}

/** The same by a socket of IPv6, which may have a v4-mapped address or belong to a device. */
static void taken_over_too(const char *address, const char *device)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6}, from;
    socklen_t len = sizeof(to);
    int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    HOLDS(inet_pton(AF_INET6, address, &to.sin6_addr) == 1);
    HOLDS(bind(listener, (struct sockaddr *)&to, len) == 0 && listen(listener, 8) == 0);
    HOLDS(getsockname(listener, (struct sockaddr *)&to, &len) == 0);
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    HOLDS(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) == 0);
    HOLDS(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
    HOLDS(getsockname(fd, (struct sockaddr *)&from, &len) == 0);
    int peers = accept(listener, NULL, NULL);
    close(fd);
    HOLDS(read(peers, buf, 1) == 0);
    close(peers);
    sleep_ms(50);
    HOLDS(bind_connect(&from, &to, device, 0) == EADDRINUSE); /* the entry is there */
    HOLDS(bind_connect(&from, &to, device, 1) == 0);
    close(listener);
}

/** Two sockets bound to one entry's port: one takes it over, the other cannot. */
static void taken_over_once(void)
{
    struct pair p = in_time_wait(true);
    int first = tcp_socket(), second = tcp_socket();
    set(first, SOL_SOCKET, SO_REUSEADDR, 1), set(second, SOL_SOCKET, SO_REUSEADDR, 1);
    sleep_ms(5);
    HOLDS(bind(first, (struct sockaddr *)&p.from, sizeof(p.from)) == 0);
    HOLDS(bind(second, (struct sockaddr *)&p.from, sizeof(p.from)) == 0);
    HOLDS(try_connect(&p, first) == 0 && try_connect(&p, second) == EADDRNOTAVAIL);
}

/** TIME_WAIT is taken over, without RST, and the new connection works. */
static void taken_over(void)
{
    struct pair p = in_time_wait(true);
    long before = resets();
    char byte = 1;
    sleep_ms(5);
    HOLDS(take_over(&p) == 0);
    HOLDS(write(p.ours, &byte, 1) == 1 && read(p.peers, &byte, 1) == 1);
    HOLDS(write(p.peers, &byte, 1) == 1 && read(p.ours, &byte, 1) == 1);
    HOLDS(resets() == before);
}

static void taken_over_in_all_ways(void)
{
    taken_over();
    taken_over_too("::1", "");
    taken_over_too("::ffff:127.0.0.1", "");
    taken_over_too("::1", "lo");
}

/* --- what is in the way --- */

/** The old socket, or a live one to another peer, was without SO_REUSEADDR: bind() fails, and
 * the socket may be connected all the same. */
static void without_reuseaddr(void)
{
    struct pair p = in_time_wait(false), live = listening();
    struct sockaddr_in taken = p.from;
    int fd = tcp_socket();
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    HOLDS(bind(fd, (struct sockaddr *)&taken, sizeof(taken)) == -1 && errno == EADDRINUSE);
    HOLDS(try_connect(&p, fd) == 0 && p.from.sin_port != taken.sin_port);
    HOLDS(try_connect(&live, tcp_socket()) == 0);
    p.from = live.from;
    HOLDS(take_over(&p) == EADDRINUSE);
}

/** Without timestamps connect() fails, and the socket stays bound, after AF_UNSPEC, too. */
static void without_timestamps(void)
{
    struct sockaddr unspec = {.sa_family = AF_UNSPEC};
    struct sockaddr_in name = {0};
    socklen_t len = sizeof(name);
    sysctl("tcp_timestamps", "0");
    struct pair p = in_time_wait(true);
    int fd = tcp_socket();
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    HOLDS(bind(fd, (struct sockaddr *)&p.from, sizeof(p.from)) == 0);
    for (int i = 0; i < 2; i++) {
        HOLDS(try_connect(&p, fd) == EADDRNOTAVAIL);
        HOLDS(connect(fd, &unspec, sizeof(unspec)) == 0);
        HOLDS(getsockname(fd, (struct sockaddr *)&name, &len) == 0);
        HOLDS(name.sin_port == p.from.sin_port && kept_here(&p) == TCP_TIME_WAIT);
    }
    sysctl("tcp_timestamps", "1");
}

/** Whether bind() and listen() get the port. */
static int listen_on(const struct sockaddr_in *name, bool reuse)
{
    int fd = tcp_socket();
    set(fd, SOL_SOCKET, SO_REUSEADDR, reuse);
    bool done =
        bind(fd, (const struct sockaddr *)name, sizeof(*name)) == 0 && listen(fd, 8) == 0;
    int error = done ? 0 : errno;
    close(fd);
    return error;
}

/** The price: a live client's port may be a listener's, where both have SO_REUSEADDR. */
static void listener_on_a_clients_port(void)
{
    struct pair reusing, plain = listening();
    sysctl("ip_local_port_range", "61000 65000"); /* which no plain socket has */
    reusing = connected();
    sysctl("ip_local_port_range", "32768 60999");
    HOLDS(try_connect(&plain, tcp_socket()) == 0);
    HOLDS(listen_on(&reusing.from, true) == 0);
    HOLDS(listen_on(&reusing.from, false) == EADDRINUSE);
    HOLDS(listen_on(&plain.from, true) == EADDRINUSE);
}

/* --- what an entry belongs to --- */

/** An entry whose socket was bound to that address (0: any) and device, by a port of its own.
 */
static struct pair entry_of(uint32_t address, const char *device)
{
    struct pair p = listening();
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    int fd = tcp_socket();
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    HOLDS(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) == 0);
    HOLDS(bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0 && try_connect(&p, fd) == 0);
    close(p.ours);
    HOLDS(received(p.peers) == 0 && errno == 0 && close(p.peers) == 0);
    sleep_ms(50);
    return p;
}

/** A bind() without an address, to an entry's port, then connect(): how many entries are left.
 */
static int left_by_wildcard(struct pair p)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = p.from.sin_port};
    struct inet_diag_msg found[2];
    int fd = tcp_socket();
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    HOLDS(bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 && try_connect(&p, fd) == 0);
    HOLDS(p.from.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && p.from.sin_port == any.sin_port);
    int left = dump(TCP_TIME_WAIT, p.to.sin_port, found, 2);
    close(fd), close(p.peers);
    return left;
}

static void up(const char *device)
{
    struct ifreq request = {.ifr_flags = IFF_UP};
    int fd = tcp_socket();
    (void)strncpy(request.ifr_name, device, sizeof(request.ifr_name) - 1);
    HOLDS(ioctl(fd, SIOCSIFFLAGS, &request) == 0);
    close(fd);
}

/** The same ports in another network namespace, where there is no entry. */
static void connected_elsewhere(struct pair p)
{
    HOLDS(unshare(CLONE_NEWNET) == 0);
    up("lo");
    p.listener = tcp_socket();
    HOLDS(bind(p.listener, (struct sockaddr *)&p.to, sizeof(p.to)) == 0);
    HOLDS(listen(p.listener, 8) == 0 && kept_here(&p) == 0);
    int fd = tcp_socket(); /* without SO_REUSEADDR */
    HOLDS(bind(fd, (struct sockaddr *)&p.from, sizeof(p.from)) == 0 &&
          try_connect(&p, fd) == 0);
}

/** An entry belongs to its source address, device and network namespace. */
static void entries_of_others(void)
{
    HOLDS(left_by_wildcard(entry_of(INADDR_ANY, "")) == 0); /* the same address: taken over */
    HOLDS(left_by_wildcard(entry_of(INADDR_LOOPBACK + 1, "")) == 1);
    HOLDS(left_by_wildcard(entry_of(INADDR_ANY, "lo")) == 1);
    struct pair p = entry_of(INADDR_ANY, "");
    pid_t pid = child();
    if (pid == 0) {
        connected_elsewhere(p);
        _exit(0);
    }
    HOLDS(ended_well(pid) && kept_here(&p) == TCP_TIME_WAIT);
}

/** TIME_WAIT is taken over at once, whatever tcp_tw_reuse says, by any user. */
static void fact_15(void)
{
    sysctl("tcp_tw_reuse", "1");
    without_privilege(taken_over);
    sysctl("tcp_tw_reuse", "2");
    without_privilege(taken_over);
    sysctl("tcp_tw_reuse", "0");
    without_privilege(taken_over_in_all_ways);
    taken_over_once();
    without_reuseaddr();
    listener_on_a_clients_port();
    entries_of_others();
    without_timestamps();
}

#endif
