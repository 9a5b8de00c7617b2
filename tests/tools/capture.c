/*
 * capture: writes the TCP packets of one device to a pcap file, and tells how the states of a
 * connection's sockets change meanwhile.
 *
 * Packets are taken by an AF_PACKET socket (packet(7)) from the moment that `ready` is printed
 * to the signal that ends it, and what has arrived by then is written. The states are asked of
 * the kernel (sock_diag(7)), a look-up of one socket each, after every packet and some five
 * times a millisecond: a state that lasts less may not be seen.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "pcap.h"
#include "until_term.h"

enum { IP4_HEADER = 20, IP6_HEADER = 40, RECEIVE_BUFFER = 64 << 20, SAMPLE_NS = 100000 };

/* One end of the connection that is watched, if its socket is in this namespace. */
struct end {
    const char *name;
    struct inet_diag_req_v2 who;
    int state; /* printed last; 0: no socket */
    bool said; /* any */
};

static struct {
    long port, seconds; /* the server's port, 0: none is watched; the longest time */
} option = {.seconds = 1800};

static struct end ends[2] = {{.name = "client"}, {.name = "server"}};
static bool watching; /* the ends are known */
static int diag = -1;
static long written;

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "capture: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- the states --- */

/* In the kernel's names; what only listens is not the connection. */
static const char *state_name(int state)
{
    static const char *const names[] = {
        [0] = "gone",
        [TCP_ESTABLISHED] = "ESTABLISHED",
        [TCP_SYN_SENT] = "SYN_SENT",
        [TCP_SYN_RECV] = "SYN_RECV",
        [TCP_FIN_WAIT1] = "FIN_WAIT1",
        [TCP_FIN_WAIT2] = "FIN_WAIT2",
        [TCP_TIME_WAIT] = "TIME_WAIT",
        [TCP_CLOSE] = "CLOSE",
        [TCP_CLOSE_WAIT] = "CLOSE_WAIT",
        [TCP_LAST_ACK] = "LAST_ACK",
        [TCP_LISTEN] = "gone",
        [TCP_CLOSING] = "CLOSING",
        [TCP_CLOSING + 1] = "SYN_RECV", /* TCP_NEW_SYN_RECV */
    };
    return state >= 0 && state < (int)(sizeof names / sizeof names[0]) ? names[state] : "?";
}

/* The socket's state, or 0 if there is none. */
static int ask(const struct end *end)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 who;
    } question = {.head = {.nlmsg_len = sizeof question,
                           .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                           .nlmsg_flags = NLM_F_REQUEST},
                  .who = end->who};
    union {
        struct nlmsghdr head;
        char space[4096];
    } answer;

    if (send(diag, &question, sizeof question, 0) < 0 ||
        recv(diag, &answer, sizeof answer, 0) < 0)
        die("sock_diag");
    if (answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return 0;
    return ((struct inet_diag_msg *)NLMSG_DATA(&answer.head))->idiag_state;
}

static void say(struct end *end, int state)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    end->state = state;
    end->said = true;
    printf("%lld.%06ld %s %s\n", (long long)now.tv_sec, now.tv_nsec / 1000, end->name,
           state_name(state));
    (void)fflush(stdout);
}

static void look_at_both(void)
{
    for (int i = 0; i < 2; i++) {
        int state = ask(&ends[i]);

        if (strcmp(state_name(state), state_name(ends[i].state)) != 0)
            say(&ends[i], state);
    }
}

/* Of the ends that are on this host nothing changes any more, but that TIME_WAIT ends. */
static bool is_over(void)
{
    bool over = false;

    for (int i = 0; i < 2; i++) {
        if (ends[i].said && ends[i].state != 0 && ends[i].state != TCP_TIME_WAIT)
            return false;
        over = over || ends[i].said;
    }
    return over;
}

/* A socket that came and went before anybody looked is gone, too. */
static void say_what_was_missed(void)
{
    for (int i = 0; i < 2; i++)
        if (watching && !ends[i].said)
            say(&ends[i], 0);
}

/* The connection's first SYN names its ends: from the IP header, and the ports behind it. */
static void watch(const unsigned char *ip, const unsigned char *ports)
{
    bool six = ip[0] >> 4 == 6;
    size_t size = six ? 16 : 4;
    const unsigned char *from = ip + (six ? 8 : 12);

    for (int i = 0; i < 2; i++) {
        struct inet_diag_req_v2 *who = &ends[i].who;
        const unsigned char *own = from + (i ? size : 0), *other = from + (i ? 0 : size);

        who->sdiag_family = six ? AF_INET6 : AF_INET;
        who->sdiag_protocol = IPPROTO_TCP;
        who->idiag_states = ~0U;
        memcpy(&who->id.idiag_sport, ports + (i ? 2 : 0), 2);
        memcpy(&who->id.idiag_dport, ports + (i ? 0 : 2), 2);
        memcpy(who->id.idiag_src, own, size);
        memcpy(who->id.idiag_dst, other, size);
        who->id.idiag_cookie[0] = who->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    }
    watching = true;
}

/* --- packets --- */

/* The TCP header, or NULL: not TCP, or cut short. */
static const unsigned char *tcp_header(const unsigned char *ip, size_t size)
{
    size_t header = ip[0] >> 4 == 6 ? IP6_HEADER : (size_t)(ip[0] & 15) * 4;
    int protocol = ip[0] >> 4 == 6 ? ip[6] : ip[9];

    return size >= header + sizeof(struct tcphdr) && protocol == IPPROTO_TCP ? ip + header
                                                                             : NULL;
}

static bool is_first_syn(const unsigned char *tcp)
{
    return (tcp[2] << 8 | tcp[3]) == option.port && (tcp[13] & (TH_SYN | TH_ACK)) == TH_SYN;
}

static void write_packet(FILE *file, const struct timespec *when, const void *data, size_t size)
{
    struct pcap_packet head = {.seconds = (uint32_t)when->tv_sec,
                               .microseconds = (uint32_t)(when->tv_nsec / 1000),
                               .captured = (uint32_t)size,
                               .length = (uint32_t)size};

    if (fwrite(&head, sizeof head, 1, file) != 1 || fwrite(data, size, 1, file) != 1)
        die("write");
    written++;
}

/* The kernel's time of a packet. */
static struct timespec time_of(struct msghdr *msg)
{
    struct timespec when = {0};

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
            memcpy(&when, CMSG_DATA(c), sizeof when);
    return when;
}

/* Writes the next packet. False: there is none. On loopback each is seen leaving and coming. */
static bool take(int fd, FILE *file)
{
    static unsigned char data[PCAP_LARGEST];
    char control[256];
    struct sockaddr_ll from = {0};
    struct iovec part = {data, sizeof data};
    struct msghdr msg = {.msg_name = &from,
                         .msg_namelen = sizeof from,
                         .msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    ssize_t size = recvmsg(fd, &msg, MSG_DONTWAIT);
    const unsigned char *tcp;

    if (size < 0 && errno != EAGAIN && errno != EINTR)
        die("recvmsg");
    if (size < IP4_HEADER)
        return size >= 0;
    tcp = tcp_header(data, (size_t)size);
    if (!tcp || (from.sll_hatype == ARPHRD_LOOPBACK && from.sll_pkttype == PACKET_OUTGOING))
        return true;
    if (option.port && !watching && is_first_syn(tcp))
        watch(data, tcp);
    struct timespec when = time_of(&msg);
    write_packet(file, &when, data, (size_t)size);
    return true;
}

/* Waits for packets, or until it is time to look at the states again, or for a signal. */
static void wait_for_packets(int fd, const sigset_t *unblocked)
{
    struct pollfd input = {.fd = fd, .events = POLLIN};
    struct timespec sample = {0, SAMPLE_NS}, second = {1, 0};

    (void)ppoll(&input, 1, watching && !is_over() ? &sample : &second, unblocked);
}

static void run(int fd, FILE *file, const sigset_t *unblocked)
{
    time_t end = time(NULL) + option.seconds;

    while (!ended && time(NULL) < end) {
        wait_for_packets(fd, unblocked);
        while (take(fd, file))
            ;
        if (watching)
            look_at_both();
    }
}

/* --- start and end --- */

/* Bound before it takes any packet, so that it takes those of this device alone. */
static int open_device(const char *name)
{
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0), yes = 1, room = RECEIVE_BUFFER;
    struct sockaddr_ll device = {.sll_family = AF_PACKET,
                                 .sll_protocol = htons(ETH_P_ALL),
                                 .sll_ifindex = (int)if_nametoindex(name)};

    if (fd < 0)
        die("AF_PACKET");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes) != 0 ||
        device.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&device, sizeof device) != 0)
        die(name);
    return fd;
}

static FILE *open_file(const char *name)
{
    const struct pcap_file head = {PCAP_MAGIC, 2, 4, {0, 0}, PCAP_LARGEST, PCAP_RAW_IP};
    FILE *file = fopen(name, "we");

    if (!file || fwrite(&head, sizeof head, 1, file) != 1)
        die(name);
    return file;
}

/* Where it may: states are not to pass unseen because the machine is busy. It mostly sleeps. */
static void come_first(void)
{
    const struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};

    (void)sched_setscheduler(0, SCHED_FIFO, &lowest);
}

static _Noreturn void help(int status)
{
    (void)fputs(
        "capture [OPTION...] DEVICE FILE: write the TCP packets of the device to a pcap file.\n"
        "Prints `ready` once it captures; at its end `packets=N dropped=N`: dropped are those\n"
        "that it was too slow for.\n\n"
        "  --states PORT      print the states of the first connection to this port, as they\n"
        "                     change: TIME client|server STATE, `gone` when there is no "
        "socket\n"
        "  --seconds N        end after that time, if not by SIGTERM (1800)\n",
        status ? stderr : stdout);
    exit(status);
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"states", 1, NULL, 'p'}, {"seconds", 1, NULL, 's'}, {"help", 0, NULL, 'h'}, {0}};
    int key;

    while ((key = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (key == 'h' || key == '?')
            help(key == 'h' ? 0 : 2);
        *(key == 'p' ? &option.port : &option.seconds) = strtol(optarg, NULL, 10);
    }
    if (optind != argc - 2)
        help(2);
}

/* Prints the counts. A file that lacks packets is no evidence: then it fails. */
static int report(int fd)
{
    struct tpacket_stats stats = {0};
    socklen_t size = sizeof stats;

    if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) != 0)
        die("PACKET_STATISTICS");
    printf("packets=%ld dropped=%u\n", written, stats.tp_drops);
    return stats.tp_drops > 0;
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    sigset_t unblocked = hold_signals();
    FILE *file = open_file(argv[argc - 1]);
    int fd = open_device(argv[argc - 2]);

    come_first();
    diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (diag < 0)
        die("sock_diag");
    puts("ready");
    (void)fflush(stdout);
    run(fd, file, &unblocked);
    say_what_was_missed();
    if (fclose(file) != 0)
        die("write");
    return report(fd);
}
