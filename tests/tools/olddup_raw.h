/* olddup's packets: taken from the raw socket, changed, and sent again. IPv4 on loopback. */
#ifndef OLDDUP_RAW_H
#define OLDDUP_RAW_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    IP_HEADER = 20,
    MAX_SEGMENT = 1200,
    MAX_SEGMENTS = 24,
    FIN = 1,
    SYN = 2,
    RST = 4,
    ACK = 16
};

/* What of a segment is the new connection's; the rest is as it was. */
enum forgery { NATURAL, FORGED_ACK, FORGED_SEQ, FORGED_BOTH, FORGERIES };

static const char *const forgery_names[] = {"natural", "ack", "seq", "both"};

struct packet {
    size_t size;
    int64_t came; /* us: by the kernel, however long this process waits for a CPU */
    unsigned char data[MAX_SEGMENT]; /* from the IP header on */
};

/* The segments of one connection, in order. */
struct life {
    uint16_t client_port, server_port;
    uint32_t client_first, server_first; /* the sequence numbers of the SYNs */
    int64_t begun, ended; /* us: when the client's SYN came, and the server's last FIN */
    int count;
    struct packet segments[MAX_SEGMENTS];
};

static int raw_in = -1, raw_out = -1;

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "olddup: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* Every TCP packet that this namespace receives comes to the first. */
static void open_raw(void)
{
    int room = 16 << 20, one = 1;

    raw_in = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    raw_out = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (raw_in < 0 || raw_out < 0)
        die("a raw socket");
    (void)setsockopt(raw_in, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    if (setsockopt(raw_in, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one) != 0)
        die("the packets' times");
}

static uint32_t get(const unsigned char *p, int bytes)
{
    uint32_t n = 0;

    while (bytes-- > 0)
        n = n << 8 | *p++;
    return n;
}

static void put(unsigned char *p, uint32_t n)
{
    for (int i = 3; i >= 0; i--, n >>= 8)
        p[i] = (unsigned char)n;
}

static void forget_packets(void)
{
    char data[MAX_SEGMENT];

    while (recv(raw_in, data, sizeof data, 0) > 0)
        ;
}

/* --- capture --- */

static void note_ends(struct life *life, const struct packet *p)
{
    const unsigned char *tcp = p->data + IP_HEADER;

    if (tcp[13] & FIN && get(tcp, 2) == life->server_port)
        life->ended = p->came;
    if (!(tcp[13] & SYN))
        return;
    if (tcp[13] & ACK) {
        life->server_first = get(tcp + 4, 4);
    } else {
        life->client_first = get(tcp + 4, 4);
        life->begun = p->came;
    }
}

static bool belongs(const struct life *life, const unsigned char *tcp)
{
    uint16_t from = (uint16_t)get(tcp, 2), to = (uint16_t)get(tcp + 2, 2);

    return (from == life->client_port && to == life->server_port) ||
           (from == life->server_port && to == life->client_port);
}

/* The next packet that has come. */
static bool take_packet(struct packet *p)
{
    struct timespec time;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof time)];
    struct iovec data = {p->data, sizeof p->data};
    struct msghdr msg = {.msg_iov = &data,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    ssize_t n = recvmsg(raw_in, &msg, 0);

    if (n <= 0)
        return false;
    if (!CMSG_FIRSTHDR(&msg))
        die("a packet's time");
    memcpy(&time, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof time);
    p->came = (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
    p->size = (size_t)n;
    return true;
}

/* Takes the packets that have come; those of other connections are forgotten. */
static void capture(struct life *life)
{
    struct packet p;

    while (take_packet(&p)) {
        if (p.size < IP_HEADER + 20 || !belongs(life, p.data + IP_HEADER))
            continue;
        note_ends(life, &p);
        if (life->count < MAX_SEGMENTS)
            life->segments[life->count++] = p;
    }
}

/* --- sending again --- */

static uint32_t sum_of(const unsigned char *p, size_t size)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    return sum;
}

/* RFC 9293, section 3.1. What was captured on loopback may lack it. */
static void set_checksum(struct packet *p)
{
    unsigned char *tcp = p->data + IP_HEADER;
    size_t size = p->size - IP_HEADER;
    uint32_t sum;

    tcp[16] = tcp[17] = 0;
    sum = sum_of(p->data + 12, 8) + IPPROTO_TCP + (uint32_t)size + sum_of(tcp, size);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    tcp[16] = (unsigned char)(~sum >> 8);
    tcp[17] = (unsigned char)~sum;
}

/* Segments without data are worth nothing when forged; SYN, FIN and RST are natural only. */
static bool has_data(const struct packet *p)
{
    return p->size > IP_HEADER + (size_t)(p->data[IP_HEADER + 12] >> 4) * 4;
}

static void send_again(const struct packet *original, enum forgery how, const struct life *new,
                       uint32_t moved)
{
    struct packet p = *original;
    unsigned char *tcp = p.data + IP_HEADER;
    bool to_server = get(tcp + 2, 2) == new->server_port;
    uint32_t seq = (to_server ? new->client_first : new->server_first) + 1 + moved;
    uint32_t ack = (to_server ? new->server_first : new->client_first) + 1 + moved;
    struct sockaddr_in to = {.sin_family = AF_INET};

    if (how != NATURAL && !has_data(&p))
        return;
    if (how == FORGED_SEQ || how == FORGED_BOTH)
        put(tcp + 4, seq);
    if (how == FORGED_ACK || how == FORGED_BOTH)
        put(tcp + 8, ack);
    set_checksum(&p);
    memcpy(&to.sin_addr, p.data + 16, 4);
    if (sendto(raw_out, p.data, p.size, 0, (struct sockaddr *)&to, sizeof to) !=
        (ssize_t)p.size)
        die("sendto");
}

#endif
