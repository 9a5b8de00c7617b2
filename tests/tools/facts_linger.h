/*
 * facts about lingers: whose they are, and in which states SO_LINGER resets.
 */
#ifndef FACTS_LINGER_H
#define FACTS_LINGER_H

#include "facts.h"

#include <net/route.h>
#include <netinet/ip.h>

/** {1,0} set on a child's connection by its parent, which then closes its copy: the child's
 * data that is not acknowledged is lost, though it is the child that closes last. */
static void parent_destroys(void)
{
    struct pair p = connected();
    int status = -1;
    fill(p.ours);
    pid_t child = fork();
    if (child == 0) {
        close(p.peers), close(p.listener);
        sleep_ms(100);
        _exit(0); /* closes the last copy, by a plain close as far as it knows */
    }
    set_linger(p.ours, 1, 0);
    close(p.ours);
    HOLDS(waitpid(child, &status, 0) == child && status == 0);
    for (ssize_t n; (n = read(p.peers, buf, sizeof(buf))) != 0;)
        if (n < 0) {
            HOLDS(errno == ECONNRESET);
            return;
        }
    HOLDS(!"the data is cut off");
}

/** SO_LINGER and TCP_LINGER2 belong to the socket; what is accepted has the listener's. */
static void fact_9(void)
{
    struct pair p = listening();
    set_linger(p.listener, 1, 7);
    set(p.listener, IPPROTO_TCP, TCP_LINGER2, -1);
    set(p.listener, SOL_SOCKET, SO_REUSEADDR, 1);
    HOLDS(try_connect(&p, tcp_socket()) == 0);
    struct linger linger = {0};
    socklen_t len = sizeof(linger);
    HOLDS(getsockopt(p.peers, SOL_SOCKET, SO_LINGER, &linger, &len) == 0);
    HOLDS(linger.l_onoff == 1 && linger.l_linger == 7);
    HOLDS(get(p.peers, IPPROTO_TCP, TCP_LINGER2) == -1);
    HOLDS(get(p.peers, SOL_SOCKET, SO_REUSEADDR) == 1);
    int copy = dup(p.ours);
    set(copy, IPPROTO_TCP, TCP_LINGER2, -1);
    HOLDS(get(p.ours, IPPROTO_TCP, TCP_LINGER2) == -1);
    parent_destroys();
}

/* --- where SO_LINGER resets (tcp_need_reset()) --- */

/** Sets {1,0} and closes: the number of RSTs that are sent. */
static long resets_of(int fd)
{
    long before = resets();
    set_linger(fd, 1, 0);
    close(fd);
    return resets() - before;
}

/** The Internet checksum (RFC 1071) of a whole number of 16-bit words. */
static uint16_t checksum(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

/** A SYN with two bytes of data, from 192.0.2.1, which will never answer. */
static void send_syn(const struct sockaddr_in *to)
{
    struct {
        uint32_t from, to;
        uint16_t protocol, size;
        struct tcphdr tcp;
        char data[2];
    } packet = {.from = htonl(0xc0000201), .to = to->sin_addr.s_addr};
    struct rtentry route = {.rt_flags = RTF_UP | RTF_HOST, .rt_dev = (char[]){"lo"}};
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = packet.from};
    int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

    /* Our answers have a way, and are dropped behind it. */
    memcpy(&route.rt_dst, &from, sizeof(from));
    HOLDS(ioctl(raw, SIOCADDRT, &route) == 0 || errno == EEXIST);
    packet.protocol = htons(IPPROTO_TCP), packet.size = htons(sizeof(packet.tcp) + 2);
    packet.tcp = (struct tcphdr){.source = htons(40000),
                                 .dest = to->sin_port,
                                 .seq = htonl(1),
                                 .doff = 5,
                                 .syn = 1,
                                 .window = htons(65535)};
    packet.tcp.check = checksum(&packet, 12 + sizeof(packet.tcp) + 2);

    struct {
        struct iphdr ip;
        struct tcphdr tcp;
        char data[2];
    } sent = {.ip = {.version = 4,
                     .ihl = 5,
                     .ttl = 64,
                     .protocol = IPPROTO_TCP,
                     .saddr = packet.from,
                     .daddr = packet.to},
              .tcp = packet.tcp};
    HOLDS(sendto(raw, &sent, 40 + 2, 0, (const struct sockaddr *)to, sizeof(*to)) == 42);
    close(raw);
}

/** A Fast Open child, whose handshake does not end. */
static int in_syn_recv(void)
{
    struct pair p = listening();
    sysctl("tcp_fastopen", "515"); /* client, server, no cookie */
    set(p.listener, IPPROTO_TCP, TCP_FASTOPEN, 5);
    send_syn(&p.to);
    HOLDS(poll(&(struct pollfd){.fd = p.listener, .events = POLLIN}, 1, 5000) == 1);
    int fd = accept(p.listener, NULL, NULL);
    HOLDS(fd >= 0 && state_of(fd) == TCP_SYN_RECV && read(fd, buf, 2) == 2);
    return fd;
}

/** SO_LINGER resets in SYN_RECV, ESTABLISHED, FIN_WAIT1, FIN_WAIT2 and CLOSE_WAIT, and in
 * LAST_ACK where not all is sent (tcp_disconnect()); not where TIME_WAIT is left already. */
static void fact_10(void)
{
    struct pair open = connected(), passive = connected(), active = connected();
    struct pair unsent = connected(), over = connected(), last = connected();
    HOLDS(resets_of(in_syn_recv()) == 1);
    HOLDS(resets_of(open.ours) == 1);
    fill(unsent.ours);
    shutdown(unsent.ours, SHUT_WR);
    HOLDS(state_of(unsent.ours) == TCP_FIN_WAIT1 && resets_of(unsent.ours) == 1);
    shutdown(passive.peers, SHUT_WR);
    HOLDS(read(passive.ours, buf, 1) == 0 && state_of(passive.ours) == TCP_CLOSE_WAIT);
    HOLDS(resets_of(passive.ours) == 1);
    shutdown(active.ours, SHUT_WR);
    HOLDS(becomes(kept_here, &active, TCP_FIN_WAIT2) && resets_of(active.ours) == 1);
    shutdown(last.peers, SHUT_WR);
    fill(last.ours);
    shutdown(last.ours, SHUT_WR);
    HOLDS(state_of(last.ours) == TCP_LAST_ACK && resets_of(last.ours) == 1);
    shutdown(over.ours, SHUT_WR);
    close(over.peers);
    HOLDS(becomes(kept_here, &over, TCP_TIME_WAIT) && resets_of(over.ours) == 0);
}

#endif
