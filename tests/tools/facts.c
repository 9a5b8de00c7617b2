/*
 * facts: whether a fact about the kernel, on which the program stands, holds here: `facts 1`
 * prints `yes`, or `no` and what was seen, with status 1. The facts have the design's numbers;
 * tests/kernels/facts.bats has them in words. Owns the checks of the counters and of what a
 * socket tells of itself; facts_close.h those of the close, facts_race.h that of a race,
 * facts_linger.h those of lingers, facts_ports.h and facts_takeover.h those of ports in
 * TIME_WAIT, facts_ask.h those of what sock_diag tells, facts_outside.h those of what is seen
 * and done from outside, facts_bpf.h what a BPF program may set. Status 3: this user may not
 * ask.
 */
#include "facts.h"

#include "facts_ask.h"
#include "facts_bpf.h"
#include "facts_close.h"
#include "facts_linger.h"
#include "facts_outside.h"
#include "facts_ports.h"
#include "facts_race.h"
#include "facts_takeover.h"

/** SIOCOUTQ counts a FIN, and what was reset: it is stale. */
static void fact_12(void)
{
    struct pair p = connected();
    int unacked = 0, with_fin = 0;
    fill(p.ours);
    HOLDS(ioctl(p.ours, TIOCOUTQ, &unacked) == 0 && shutdown(p.ours, SHUT_WR) == 0);
    HOLDS(ioctl(p.ours, TIOCOUTQ, &with_fin) == 0 && with_fin == unacked + 1);
    set_linger(p.peers, 1, 0);
    close(p.peers);
    sleep_ms(100);
    HOLDS(state_of(p.ours) == TCP_CLOSE);
    HOLDS(ioctl(p.ours, TIOCOUTQ, &unacked) == 0 && unacked > 0);
}

/** connect(AF_UNSPEC) aborts; the socket may be connected again, and keeps its cookie. */
static void fact_13(void)
{
    struct pair p = connected();
    uint64_t cookie = cookie_of(p.ours);
    struct sockaddr unspec = {.sa_family = AF_UNSPEC};
    HOLDS(connect(p.ours, &unspec, sizeof(unspec)) == 0);
    HOLDS(read(p.peers, buf, 1) == -1 && errno == ECONNRESET);
    HOLDS(try_connect(&p, p.ours) == 0 && cookie_of(p.ours) == cookie);
}

/** Whether conntrack has the connection in that state, and for how many seconds more. A line is
 * `ipv4 2 tcp 6 SECONDS STATE src=...`. */
static bool tracked(const struct pair *p, const char *state, long *seconds)
{
    char line[512], port[32];
    const char *protocol = NULL;
    size_t len = strlen(state);
    FILE *f = fopen("/proc/net/nf_conntrack", "re");
    (void)snprintf(port, sizeof(port), " sport=%u ", ntohs(p->from.sin_port));
    while (f && !protocol && fgets(line, sizeof(line), f))
        protocol = strstr(line, port) ? strstr(line, " tcp ") : NULL;
    if (f)
        (void)fclose(f);
    if (!protocol)
        return false;
    char *word;
    (void)strtol(protocol + strlen(" tcp "), &word, 10);
    *seconds = strtol(word, &word, 10);
    return word[0] == ' ' && strncmp(word + 1, state, len) == 0 && word[1 + len] == ' ';
}

/** A connection that is closed, with TCP_LINGER2, or without: the state, for so long at most.
 */
static void ends_tracked(bool linger2, const char *state, long most)
{
    struct pair p = connected();
    long seconds = 0;
    if (!tracked(&p, "ESTABLISHED", &seconds))
        return; /* no rule asks for conntrack here */
    if (linger2)
        set(p.ours, IPPROTO_TCP, TCP_LINGER2, -1);
    close(p.ours);
    HOLDS(received(p.peers) == 0 && errno == 0 && close(p.peers) == 0);
    HOLDS(becomes(kept_here, &p, linger2 ? 0 : TCP_TIME_WAIT));
    for (int i = 0; i < 100 && !tracked(&p, state, &seconds); i++)
        sleep_ms(10);
    HOLDS(tracked(&p, state, &seconds) && seconds > most - 5 && seconds <= most);
    printf("seen in %s, for %ld s\n", state, seconds);
}

/** How long conntrack keeps what it has seen the end of, in seconds; and, where it looks, that
 * it keeps a connection of TCP_LINGER2 in CLOSE. */
static void fact_21b(void)
{
    HOLDS(sysctl_value("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close") == 10);
    HOLDS(sysctl_value("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait") == 120);
    ends_tracked(true, "CLOSE", 10);
    ends_tracked(false, "TIME_WAIT", 120);
}

/** Ten closes, by TCP_LINGER2 or by an abort: as many RSTs, whatever is to be counted else, and
 * EstabResets for each end that was cut off, as a peer is that has not closed yet. */
static void count_closes(bool abort, long cut_off)
{
    const char *snmp = "/proc/net/snmp", *more = "/proc/net/netstat";
    long sent = resets(), data = counter(more, "TcpExt:", "TCPAbortOnData");
    long harm = counter(snmp, "Tcp:", "EstabResets");
    for (int i = 0; i < 10; i++) {
        struct pair p = connected();
        if (abort)
            set_linger(p.ours, 1, 0);
        else
            set(p.ours, IPPROTO_TCP, TCP_LINGER2, -1);
        close(p.ours);
        HOLDS(becomes(kept_here, &p, 0) && becomes(kept_there, &p, 0));
        close(p.peers), close(p.listener);
    }
    HOLDS(sends_resets(sent + 10));
    HOLDS(counter(more, "TcpExt:", "TCPAbortOnData") == data + 10);
    HOLDS(counter(snmp, "Tcp:", "EstabResets") == harm + cut_off);
}

static void fact_21(void)
{
    count_closes(false, 10);
    count_closes(true, 20);
}

static const struct {
    const char *name;
    void (*check)(void);
} facts[] = {
    {"1", fact_1},     {"2", fact_2},   {"3", fact_3},   {"4", fact_4},     {"5", fact_5},
    {"7", fact_7},     {"8", fact_8},   {"9", fact_9},   {"10", fact_10},   {"11", fact_11},
    {"11b", fact_11b}, {"12", fact_12}, {"13", fact_13}, {"15", fact_15},   {"15c", fact_15c},
    {"15d", fact_15d}, {"16", fact_16}, {"17", fact_17}, {"17b", fact_17b}, {"18", fact_18},
    {"18b", fact_18b}, {"19", fact_19}, {"20", fact_20}, {"21", fact_21},   {"21b", fact_21b},
    {"wait", waits},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]) && argc == 2; i++)
        if (strcmp(facts[i].name, argv[1]) == 0) {
            alarm(60);
            facts[i].check();
            printf("yes\n");
            return 0;
        }
    (void)fprintf(stderr, "usage: facts NUMBER, in a network namespace of its own\n");
    return 2;
}
