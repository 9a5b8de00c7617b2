/*
 * facts: whether a fact about the kernel, on which the program stands, holds here: `facts 1`
 * prints `yes`, or `no` and what was seen, with status 1. The facts have the design's numbers;
 * tests/kernels/facts.bats has them in words. Owns the checks of the close; facts_linger.h
 * those of lingers, facts_ports.h those of ports in TIME_WAIT, facts_outside.h those of what is
 * seen and done from outside, facts_bpf.h what a BPF program may set. Status 3: this user may
 * not ask.
 */
#include "facts.h"

#include "facts_bpf.h"
#include "facts_linger.h"
#include "facts_outside.h"
#include "facts_ports.h"

/** The kernel sends all and the FIN, then RST; no TIME_WAIT; the peer gets all and its EOF. */
static void fact_1(void)
{
    struct pair p = connected();
    long before = resets();
    set(p.ours, IPPROTO_TCP, TCP_LINGER2, -1);
    HOLDS(write(p.ours, buf, 30000) == 30000 && close(p.ours) == 0);
    HOLDS(becomes(kept_here, &p, 0));
    HOLDS(resets() == before + 1);
    HOLDS(recv(p.peers, buf, 30000, MSG_WAITALL) == 30000 && read(p.peers, buf, 1) == 0);
}

/** A peer that is behind: CLOSE, ENOTCONN, ERR and HUP, EPIPE; its data and a clean EOF. */
static void fact_2(void)
{
    struct pair p = connected();
    struct pollfd event = {.fd = p.peers, .events = POLLIN};
    struct sockaddr_in name;
    socklen_t len = sizeof(name);

    set(p.ours, IPPROTO_TCP, TCP_LINGER2, -1);
    HOLDS(write(p.ours, buf, 1000) == 1000 && close(p.ours) == 0);
    HOLDS(becomes(kept_there, &p, 0));
    HOLDS(state_of(p.peers) == TCP_CLOSE);
    HOLDS(getpeername(p.peers, (struct sockaddr *)&name, &len) == -1 && errno == ENOTCONN);
    HOLDS(poll(&event, 1, 0) == 1);
    HOLDS((event.revents & (POLLIN | POLLERR | POLLHUP)) == (POLLIN | POLLERR | POLLHUP));
    HOLDS(shutdown(p.peers, SHUT_RD) == -1 && errno == ENOTCONN);
    HOLDS(send(p.peers, buf, 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
    HOLDS(read(p.peers, buf, 2000) == 1000 && read(p.peers, buf, 1) == 0);
}

/** RST: queued data, then ECONNRESET; an orphan in FIN_WAIT2 is freed; a half-closed one reads.
 */
static void fact_3(void)
{
    struct pair p = connected(), closed = connected(), half = connected();
    HOLDS(write(p.ours, buf, 100) == 100);
    set_linger(p.ours, 1, 0);
    close(p.ours);
    HOLDS(read(p.peers, buf, 200) == 100);
    HOLDS(read(p.peers, buf, 1) == -1 && errno == ECONNRESET);
    close(closed.peers);
    HOLDS(becomes(kept_there, &closed, TCP_FIN_WAIT2));
    set_linger(closed.ours, 1, 0);
    close(closed.ours);
    HOLDS(becomes(kept_there, &closed, 0));
    shutdown(half.peers, SHUT_WR);
    HOLDS(read(half.ours, buf, 1) == 0);
    set_linger(half.ours, 1, 0);
    close(half.ours);
    HOLDS(read(half.peers, buf, 1) == -1 && errno == ECONNRESET);
}

/** After shutdown(SHUT_WR) the peer's FIN makes TIME_WAIT, which no option undoes. */
static void fact_4(void)
{
    struct pair p = connected();
    shutdown(p.ours, SHUT_WR);
    close(p.peers);
    HOLDS(becomes(kept_here, &p, TCP_TIME_WAIT) && state_of(p.ours) == TCP_CLOSE);
    set(p.ours, IPPROTO_TCP, TCP_LINGER2, -1);
    set_linger(p.ours, 1, 0);
    close(p.ours);
    sleep_ms(50);
    HOLDS(kept_here(&p) == TCP_TIME_WAIT);
}

/** shutdown(SHUT_WR), so many ms later an abortive close: whether TIME_WAIT is left. */
static bool leaves_time_wait(struct pair *p, long ms)
{
    shutdown(p->ours, SHUT_WR);
    if (ms)
        sleep_ms(ms);
    set_linger(p->ours, 1, 0);
    close(p->ours);
    int state = kept_here(p);
    HOLDS(state == 0 || state == TCP_TIME_WAIT);
    return state;
}

/** A peer in a process of its own, which answers each FIN by its own. */
static pid_t answering_peer(const struct pair *p)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int fd = accept(p->listener, NULL, NULL);
        while (read(fd, buf, sizeof(buf)) > 0) {
        }
        close(fd);
    }
}

/** shutdown(SHUT_WR), then an abortive close: without TIME_WAIT if the close comes before the
 * peer's FIN, as here where the peer waits. A peer that does not wait comes first, sooner or
 * later: the pauses grow after 100 connections without.
 */
static void fact_5(void)
{
    struct pair waits = connected(), p = listening();
    int lost = 0;
    long ms = 0;
    HOLDS(!leaves_time_wait(&waits, 0));
    pid_t pid = answering_peer(&p);
    for (int i = 0; (i < 100 || !lost) && ms < 5000; i++) {
        socklen_t len = sizeof(p.from);
        p.ours = tcp_socket();
        HOLDS(connect(p.ours, (struct sockaddr *)&p.to, sizeof(p.to)) == 0);
        HOLDS(getsockname(p.ours, (struct sockaddr *)&p.from, &len) == 0);
        lost += leaves_time_wait(&p, ms);
        ms = i < 100 ? 0 : 2 * ms + 1;
    }
    HOLDS(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    printf("%d in TIME_WAIT\n", lost);
    HOLDS(lost > 0);
}

/** Unread input makes close() reset; MSG_TRUNC discards it, and an urgent byte. */
static void fact_7(void)
{
    struct pair p = connected(), drained = connected();
    int unread = -1;
    HOLDS(write(p.peers, buf, 10) == 10);
    HOLDS(poll(&(struct pollfd){.fd = p.ours, .events = POLLIN}, 1, 5000) == 1);
    close(p.ours);
    HOLDS(read(p.peers, buf, 1) == -1 && errno == ECONNRESET);
    HOLDS(send(drained.peers, buf, 1, MSG_OOB) == 1);
    HOLDS(poll(&(struct pollfd){.fd = drained.ours, .events = POLLPRI}, 1, 5000) == 1);
    HOLDS(ioctl(drained.ours, FIONREAD, &unread) == 0 && unread == 0);
    HOLDS(write(drained.peers, buf, 1000) == 1000);
    sleep_ms(50);
    for (int i = 0; i < 4; i++)
        recv(drained.ours, NULL, 65536, MSG_TRUNC | MSG_DONTWAIT);
    close(drained.ours);
    HOLDS(read(drained.peers, buf, 1) == 0);
}

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

/** How long conntrack keeps what it has seen the end of, in seconds. */
static void fact_21b(void)
{
    HOLDS(sysctl_value("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close") == 10);
    HOLDS(sysctl_value("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait") == 120);
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
    HOLDS(resets() == sent + 10);
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
