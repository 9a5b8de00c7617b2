/*
 * packets: prints the TCP packets of a pcap file as `capture` writes it, a line each:
 *
 *   1763800000.123456 40001 > PSH,ACK 1 1 8
 *
 * the time; the client's port; > from the client or < from the server; the flags; the sequence
 * number, relative to the sender's SYN; the acknowledgement number, relative to the receiver's,
 * or - without ACK; bytes of data. The client is who sent the first SYN.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pcap.h"

enum { PORTS = 65536, IP6_HEADER = 40 };

/* A connection, by its client's port: the sequence numbers of the SYNs, of client and server.
 */
static struct connection {
    uint32_t first[2];
    uint16_t server_port;
    bool known;
} connections[PORTS];

struct segment {
    uint16_t from, to; /* ports */
    uint32_t seq, ack;
    int flags;
    size_t length;
};

static _Noreturn void die(const char *name, const char *what)
{
    (void)fprintf(stderr, "packets: %s: %s\n", name, what);
    exit(1);
}

static uint32_t number(const unsigned char *p, int bytes)
{
    uint32_t n = 0;

    while (bytes-- > 0)
        n = n << 8 | *p++;
    return n;
}

/* False: not a whole TCP header. */
static bool read_segment(const unsigned char *ip, size_t size, struct segment *s)
{
    bool six = size > 0 && ip[0] >> 4 == 6;
    size_t header = six ? IP6_HEADER : (size_t)(ip[0] & 15) * 4;
    size_t total = six ? IP6_HEADER + number(ip + 4, 2) : number(ip + 2, 2);
    const unsigned char *tcp = ip + header;

    if (size < header + sizeof(struct tcphdr) || (six ? ip[6] : ip[9]) != IPPROTO_TCP)
        return false;
    s->from = (uint16_t)number(tcp, 2);
    s->to = (uint16_t)number(tcp + 2, 2);
    s->seq = number(tcp + 4, 4);
    s->ack = number(tcp + 8, 4);
    s->flags = tcp[13];
    s->length = total - header - (size_t)(tcp[12] >> 4) * 4;
    return true;
}

static const char *flag_names(int flags)
{
    static const struct {
        int flag;
        const char *name;
    } all[] = {{TH_SYN, "SYN"},  {TH_FIN, "FIN"}, {TH_RST, "RST"},
               {TH_PUSH, "PSH"}, {TH_URG, "URG"}, {TH_ACK, "ACK"}};
    static char text[32];
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (flags & all[i].flag)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? "," : "",
                                     all[i].name);
    return text;
}

/* Notes the SYN's number. A client's SYN starts a connection. */
static void note_syn(const struct segment *s)
{
    struct connection *c = &connections[s->flags & TH_ACK ? s->to : s->from];

    if (!(s->flags & TH_ACK))
        *c = (struct connection){.server_port = s->to, .known = true};
    c->first[s->flags & TH_ACK ? 1 : 0] = s->seq;
}

static void print_segment(const char *name, const struct segment *s)
{
    int side = !(connections[s->from].known && connections[s->from].server_port == s->to);
    uint16_t port = side ? s->to : s->from;
    const struct connection *c = &connections[port];

    if (!c->known)
        die(name, "a connection without a SYN");
    printf("%u %s %s %u ", port, side ? "<" : ">", flag_names(s->flags),
           s->seq - c->first[side]);
    if (s->flags & TH_ACK)
        printf("%u", s->ack - c->first[!side]);
    else
        printf("-");
    printf(" %zu\n", s->length);
}

/* Prints the next packet. False: the file ends here. */
static bool print_next(const char *name, FILE *file)
{
    static unsigned char data[PCAP_LARGEST];
    struct pcap_packet head;
    struct segment s;
    size_t got = fread(&head, 1, sizeof head, file);

    if (got == 0)
        return false;
    if (got != sizeof head || head.captured > sizeof data ||
        fread(data, 1, head.captured, file) != head.captured)
        die(name, "cut short");
    if (!read_segment(data, head.captured, &s))
        die(name, "not TCP");
    if (s.flags & TH_SYN)
        note_syn(&s);
    printf("%u.%06u ", head.seconds, head.microseconds);
    print_segment(name, &s);
    return true;
}

int main(int argc, char **argv)
{
    struct pcap_file head;
    const char *name = argc == 2 ? argv[1] : "usage";
    FILE *file = argc == 2 ? fopen(name, "re") : NULL;

    if (argc != 2)
        die(name, "packets FILE: print the TCP packets of a pcap file");
    if (!file)
        die(name, "cannot be read");
    if (fread(&head, sizeof head, 1, file) != 1 || head.magic != PCAP_MAGIC ||
        head.link_type != PCAP_RAW_IP)
        die(name, "no pcap file of `capture`");
    while (print_next(name, file))
        ;
    return fclose(file) != 0;
}
