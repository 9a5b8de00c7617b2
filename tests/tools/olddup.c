/*
 * olddup: old duplicates. A connection on 127.0.0.1 ends in TIME_WAIT, a new one takes its port
 * over at a certain age, and segments that were captured of the old one are sent again, by a
 * raw socket, at several times after the takeover and after each exchange of the new
 * connection's own data. Does any byte of the old one enter the new one, or does it break?
 *
 * The segments are sent as they were (`natural`), or with numbers of the new connection: its
 * ACK
 * (`ack`), its sequence number (`seq`), or both (`both`), which leaves only the old timestamp
 * to tell by (PAWS, RFC 7323, section 5). This file owns the connections; olddup_raw.h the
 * packets.
 */
#include "olddup_raw.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>
#include <time.h>

/* The server's port is not one that the kernel gives to clients, however few those are. */
enum {
    PIECE = 1000,
    MAX_TRIALS = 200,
    RETRY_MS = 5000,
    SERVER_PORT = 9999,
    LATE_TICK_US = 10000
};

static const int replays_ms[] = {0, 1, 3, 10}; /* after the takeover */

static struct {
    double age_ms;
    int count;
    bool by_connect; /* the takeover is the preloaded library's: connect() alone */
} option;

static int listener;
static struct sockaddr_in server = {.sin_family = AF_INET};

/* A pair of connections, one after the other, that have the same addresses and ports. */
struct trial {
    struct life old, new; /* what was captured */
    int client, server;   /* fds of the new one */
    int64_t closed;       /* us: when the old one became TIME_WAIT */
    int64_t age;          /* us, at the takeover: from FIN to SYN */
    bool late;            /* ticks were, when it closed: the kernel takes it for older */
    bool entered, broken;
};

static int64_t us_of(clockid_t clock)
{
    struct timespec time;

    (void)clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static int64_t now(void)
{
    return us_of(CLOCK_MONOTONIC);
}

/* A virtual machine whose host is busy: the ages of TIME_WAIT are counted in ticks, and those
 * that are late come all at once. */
static bool ticks_are_late(void)
{
    int64_t tick = us_of(CLOCK_MONOTONIC_COARSE);

    return now() - tick > LATE_TICK_US;
}

/* Without sleeping when that is near: a timer comes late by more than what is measured. */
static void wait_until(int64_t when)
{
    while (now() < when)
        if (when - now() > 2000)
            (void)usleep(1000);
}

/* --- the old connection --- */

static int open_client(uint16_t port)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    own.sin_addr.s_addr = server.sin_addr.s_addr;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0)
        die("socket");
    if (port && bind(fd, (struct sockaddr *)&own, sizeof own) != 0)
        die("bind");
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in own = {0};
    socklen_t size = sizeof own;

    if (getsockname(fd, (struct sockaddr *)&own, &size) != 0)
        die("getsockname");
    return ntohs(own.sin_port);
}

/* Sends a piece of one letter, and whether it, and nothing else, arrives. */
static bool carry(int from, int to, char letter)
{
    char sent[PIECE], got[PIECE];

    memset(sent, letter, sizeof sent);
    return write(from, sent, sizeof sent) == PIECE &&
           recv(to, got, sizeof got, MSG_WAITALL) == PIECE &&
           memcmp(sent, got, sizeof got) == 0;
}

static bool has_ended(const struct life *life)
{
    return life->ended != 0;
}

static bool has_begun(const struct life *life)
{
    return life->client_first && life->server_first;
}

/* On a busy machine a packet waits for a thread of the kernel's. */
static void capture_until(struct life *life, bool (*enough)(const struct life *life),
                          const char *complaint)
{
    int64_t end = now() + RETRY_MS * INT64_C(1000);

    for (capture(life); !enough(life); capture(life))
        if (now() > end)
            die(complaint);
}

static void live_and_die(struct trial *t)
{
    char byte;
    int client = option.by_connect ? socket(AF_INET, SOCK_STREAM, 0) : open_client(0), peer;

    t->old.server_port = ntohs(server.sin_port);
    if (connect(client, (struct sockaddr *)&server, sizeof server) != 0)
        die("connect");
    t->old.client_port = port_of(client);
    peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (peer < 0 || !carry(client, peer, 'o') || !carry(peer, client, 'O'))
        die("the old connection");
    (void)close(client);
    if (read(peer, &byte, 1) != 0)
        die("the old connection's end");
    t->late = ticks_are_late();
    (void)close(peer);
    capture_until(&t->old, has_ended, "the old connection's FIN was not captured");
    t->closed = now();
}

/* --- the takeover --- */

static void connect_again(struct trial *t)
{
    int64_t end = now() + RETRY_MS * INT64_C(1000);
    bool connected = false;

    while (!connected && now() < end) {
        t->client = option.by_connect ? socket(AF_INET, SOCK_STREAM, 0)
                                      : open_client(t->old.client_port);
        connected = connect(t->client, (struct sockaddr *)&server, sizeof server) == 0;
        if (!connected && errno != EADDRNOTAVAIL)
            die("connect");
        if (!connected)
            (void)close(t->client);
    }
    if (!connected || port_of(t->client) != t->old.client_port)
        die("the takeover");
}

static void take_over(struct trial *t)
{
    wait_until(t->closed + (int64_t)(option.age_ms * 1000));
    forget_packets();
    connect_again(t);
    t->server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (t->server < 0)
        die("accept");
    t->new =
        (struct life){.client_port = t->old.client_port, .server_port = t->old.server_port};
    capture_until(&t->new, has_begun, "the new connection was not captured");
    t->age = t->new.begun - t->old.ended;
}

/* --- the replays --- */

static int unread(int fd)
{
    int n = 0;

    (void)ioctl(fd, SIOCINQ, &n);
    return n;
}

static bool established(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;

    (void)getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    return info.tcpi_state == 1;
}

static void look(struct trial *t)
{
    t->entered |= unread(t->client) > 0 || unread(t->server) > 0;
    t->broken |= !established(t->client) || !established(t->server);
}

/* `moved`: bytes that the new connection has carried in each direction. */
static void replay(struct trial *t, enum forgery how, uint32_t moved)
{
    for (int i = 0; i < t->old.count; i++)
        send_again(&t->old.segments[i], how, &t->new, moved);
    look(t);
}

static void try(struct trial *t, enum forgery how)
{
    int64_t start = now();
    uint32_t moved = 0;

    for (size_t i = 0; i < sizeof replays_ms / sizeof replays_ms[0]; i++) {
        wait_until(start + (int64_t)replays_ms[i] * 1000);
        replay(t, how, moved);
        if (t->entered || t->broken)
            return;
        t->broken |= !carry(t->client, t->server, 'n') || !carry(t->server, t->client, 'N');
        moved += PIECE;
    }
    replay(t, how, moved);
}

/* Nothing of the ports is left by which the next trial could be disturbed. */
static void end(struct trial *t)
{
    struct linger reset = {1, 0};

    (void)setsockopt(t->client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    (void)close(t->client);
    (void)close(t->server);
    forget_packets();
}

/* --- all of a kind --- */

/* Old ages are waited for by all trials at once. */
static void run_kind(enum forgery how)
{
    static struct trial trials[MAX_TRIALS];
    int batch = option.age_ms >= 100 && !option.by_connect ? option.count : 1;
    int entered = 0, broken = 0;
    int64_t least = INT64_MAX;

    memset(trials, 0, sizeof trials);
    for (int i = 0; i < option.count; i += batch) {
        for (int j = i; j < i + batch; j++)
            live_and_die(&trials[j]);
        for (int j = i; j < i + batch; j++) {
            take_over(&trials[j]);
            try(&trials[j], how);
            end(&trials[j]);
            entered += trials[j].entered;
            broken += trials[j].broken;
            if (trials[j].age < least && !trials[j].late)
                least = trials[j].age;
        }
    }
    least = least == INT64_MAX ? 0 : least; /* none could be told */
    printf("%s trials=%d entered=%d broken=%d least_age_us=%lld\n", forgery_names[how],
           option.count, entered, broken, (long long)least);
}

static void listen_at_port(void)
{
    int one = 1;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons(SERVER_PORT);
    if (bind(listener, (struct sockaddr *)&server, sizeof server) != 0 ||
        listen(listener, MAX_TRIALS) != 0)
        die("listen");
}

int main(int argc, char **argv)
{
    if (argc < 3 || (argc > 3 && strcmp(argv[3], "--connect") != 0)) {
        (void)fputs(
            "usage: olddup AGE_MS COUNT [--connect]\n"
            "COUNT takeovers at that age, for each kind of old duplicate. --connect: by\n"
            "connect() alone, as often as it says EADDRNOTAVAIL: by a preloaded library.\n",
            stderr);
        return 2;
    }
    option.age_ms = strtod(argv[1], NULL);
    option.count = (int)strtol(argv[2], NULL, 10);
    option.by_connect = argc > 3;
    if (option.count < 1 || option.count > MAX_TRIALS)
        return 2;
    (void)alarm(120);
    open_raw();
    listen_at_port();
    for (enum forgery how = NATURAL; how < FORGERIES; how++)
        run_kind(how);
    return 0;
}
