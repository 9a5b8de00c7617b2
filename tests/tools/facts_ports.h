/*
 * facts about ports in TIME_WAIT: who may take them over, and how connect() chooses.
 */
#ifndef FACTS_PORTS_H
#define FACTS_PORTS_H

#include "facts.h"

#include <net/if.h>

/** A connection that we have closed first: its entry is in TIME_WAIT. */
static struct pair in_time_wait(bool reuse)
{
    struct pair p = listening();
    int fd = tcp_socket();
    set(fd, SOL_SOCKET, SO_REUSEADDR, reuse);
    HOLDS(try_connect(&p, fd) == 0);
    close(p.ours), close(p.peers);
    HOLDS(becomes(kept_here, &p, TCP_TIME_WAIT));
    return p;
}

/** bind() to the entry's port, then connect() to its peer. 0 or an errno. */
static int take_over(struct pair *p)
{
    int fd = tcp_socket();
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(fd, (struct sockaddr *)&p->from, sizeof(p->from)))
        return errno;
    return try_connect(p, fd);
}

/** A port that was taken over may be bound again for a connection to another peer. */
static void fact_15c(void)
{
    struct pair p = in_time_wait(true), other = listening();
    sleep_ms(5);
    HOLDS(take_over(&p) == 0);
    int fd = tcp_socket();
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    HOLDS(bind(fd, (struct sockaddr *)&p.from, sizeof(p.from)) == 0);
    HOLDS(try_connect(&other, fd) == 0);
}

/** Once that connection has ended, too, connect() itself chooses the port for another peer.
 * That is so where bind() named no address (inet_put_port()). */
static void fact_15d(void)
{
    struct pair p = in_time_wait(true), other = listening();
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = p.from.sin_port};
    int fd = tcp_socket();
    char range[32];
    (void)snprintf(range, sizeof(range), "%u %u", ntohs(p.from.sin_port),
                   ntohs(p.from.sin_port));
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    sleep_ms(5);
    HOLDS(bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 && try_connect(&p, fd) == 0);
    close(p.ours), close(p.peers);
    HOLDS(becomes(kept_here, &p, TCP_TIME_WAIT));
    sysctl("ip_local_port_range", range);
    HOLDS(try_connect(&other, tcp_socket()) == 0);
}

/** An orphan in FIN_WAIT2. (It is a whole socket still where close() had not returned when the
 * ACK of the FIN came, tcp_rcv_state_process(): a few in a hundred thousand. Not here.) */
static struct pair orphan_in_fin_wait2(void)
{
    struct pair p = connected();
    shutdown(p.ours, SHUT_WR);
    HOLDS(becomes(kept_here, &p, TCP_FIN_WAIT2));
    close(p.ours);
    HOLDS(kept_here(&p) == TCP_FIN_WAIT2);
    sleep_ms(5);
    return p;
}

/** It is taken over, too, which resets a peer that still reads; not while it is a whole socket,
 * as tcp_fin_timeout keeps it for what is beyond a minute (__tcp_close()). */
static void fact_16(void)
{
    struct pair p = orphan_in_fin_wait2();
    struct sockaddr_in name;
    socklen_t len = sizeof(name);
    int old = p.peers;
    HOLDS(take_over(&p) == 0);
    HOLDS(getpeername(old, (struct sockaddr *)&name, &len) == -1 && errno == ENOTCONN);
    sysctl("tcp_fin_timeout", "120");
    p = orphan_in_fin_wait2();
    HOLDS(take_over(&p) == EADDRNOTAVAIL);
}

/** Gives lo an address that is not a loopback address: 10.99.99.99. */
static uint32_t other_address(void)
{
    struct ifreq request = {.ifr_name = "lo:1"};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a636363)};
    int fd = tcp_socket();
    memcpy(&request.ifr_addr, &address, sizeof(address));
    HOLDS(ioctl(fd, SIOCSIFADDR, &request) == 0);
    close(fd);
    return ntohl(address.sin_addr.s_addr);
}

/** Puts the range's two ports into TIME_WAIT, to the listener. */
static void use_up(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        HOLDS(try_connect(p, tcp_socket()) == 0);
        close(p->ours), close(p->peers);
        HOLDS(becomes(kept_here, p, TCP_TIME_WAIT));
    }
}

/** Before Linux 6.14 an entry's age is counted by the seconds of this clock that have begun. */
static void await_new_second(void)
{
    struct timespec now;
    HOLDS(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    sleep_ms(1020 - now.tv_nsec / 1000000);
}

/** tcp_tw_reuse: connect() uses a port again after a second, not before; 0: never; 2: if one
 * end has a loopback address. */
static void fact_11(void)
{
    struct pair here = listening(), again = listening(), young = listening();
    struct pair there = listening_on(other_address());
    sysctl("ip_local_port_range", "30000 30001");
    sysctl("tcp_tw_reuse", "0");
    use_up(&here), use_up(&again), use_up(&there);
    sleep_ms(2100);
    HOLDS(try_connect(&here, tcp_socket()) == EADDRNOTAVAIL);
    sysctl("tcp_tw_reuse", "2");
    HOLDS(try_connect(&there, tcp_socket()) == EADDRNOTAVAIL);
    HOLDS(try_connect(&here, tcp_socket()) == 0);
    sysctl("tcp_tw_reuse", "1");
    HOLDS(try_connect(&there, tcp_socket()) == 0);
    HOLDS(try_connect(&again, tcp_socket()) == 0);
    await_new_second();
    use_up(&young);
    HOLDS(try_connect(&young, tcp_socket()) == EADDRNOTAVAIL);
}

/** That second is a sysctl: with 1 ms, ten times as many connections as ports. */
static void fact_11b(void)
{
    struct pair p = listening();
    HOLDS(access("/proc/sys/net/ipv4/tcp_tw_reuse_delay", W_OK) == 0);
    sysctl("ip_local_port_range", "30000 30499");
    sysctl("tcp_tw_reuse", "1");
    sysctl("tcp_tw_reuse_delay", "1");
    for (int i = 0; i < 5000; i++) {
        HOLDS(try_connect(&p, tcp_socket()) == 0);
        close(p.ours), close(p.peers);
    }
}

/** connect() gives ports of the low end's parity until those are used up. */
static void fact_17b(void)
{
    struct pair p = listening();
    sysctl("ip_local_port_range", "31000 31099");
    for (int i = 0; i < 100; i++) {
        HOLDS(try_connect(&p, tcp_socket()) == 0);
        HOLDS((ntohs(p.from.sin_port) & 1) == (i >= 50));
    }
}

#endif
