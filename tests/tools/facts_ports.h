/*
 * facts about ports in TIME_WAIT: who may take them over, and how connect() chooses.
 */
#ifndef FACTS_PORTS_H
#define FACTS_PORTS_H

#include "facts.h"

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

/** TIME_WAIT is taken over at once, and the new connection works, whatever tcp_tw_reuse says.
 */
static void fact_15(void)
{
    struct pair p = in_time_wait(true);
    char byte = 1;
    sysctl("tcp_tw_reuse", "0");
    sleep_ms(5);
    HOLDS(take_over(&p) == 0);
    HOLDS(write(p.ours, &byte, 1) == 1 && read(p.peers, &byte, 1) == 1);
    struct pair other = in_time_wait(false);
    HOLDS(take_over(&other) == EADDRINUSE);
    sysctl("tcp_timestamps", "0");
    struct pair bare = in_time_wait(true);
    int error = take_over(&bare);
    sysctl("tcp_timestamps", "1");
    HOLDS(error == EADDRNOTAVAIL);
}

/** An orphan in FIN_WAIT2 is taken over, too, which resets a peer that still reads. */
static void fact_16(void)
{
    struct pair p = connected();
    struct sockaddr_in name;
    socklen_t len = sizeof(name);
    int old = p.peers;
    close(p.ours);
    HOLDS(becomes(kept_here, &p, TCP_FIN_WAIT2));
    sleep_ms(5);
    HOLDS(take_over(&p) == 0);
    HOLDS(getpeername(old, (struct sockaddr *)&name, &len) == -1 && errno == ENOTCONN);
}

/** tcp_tw_reuse 1: connect() uses a port again after a second, not before. */
static void fact_11(void)
{
    struct pair p = listening();
    sysctl("ip_local_port_range", "30000 30001");
    sysctl("tcp_tw_reuse", "1");
    for (int i = 0; i < 2; i++) {
        HOLDS(try_connect(&p, tcp_socket()) == 0);
        close(p.ours), close(p.peers);
        HOLDS(becomes(kept_here, &p, TCP_TIME_WAIT));
    }
    HOLDS(try_connect(&p, tcp_socket()) == EADDRNOTAVAIL);
    sleep_ms(2100);
    HOLDS(try_connect(&p, tcp_socket()) == 0);
}

/** That second is a sysctl. */
static void fact_11b(void)
{
    HOLDS(access("/proc/sys/net/ipv4/tcp_tw_reuse_delay", W_OK) == 0);
}

/** Any user may ask sock_diag for one socket; it tells TIME_WAIT from FIN_WAIT2. */
static void fact_17(void)
{
    struct pair p = in_time_wait(true), orphan = connected();
    int status;
    close(orphan.ours);
    HOLDS(becomes(kept_here, &orphan, TCP_FIN_WAIT2));
    pid_t pid = fork();
    if (pid == 0) {
        HOLDS(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
        HOLDS(kept_here(&p) == TCP_TIME_WAIT && kept_here(&orphan) == TCP_FIN_WAIT2);
        _exit(0);
    }
    HOLDS(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
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
