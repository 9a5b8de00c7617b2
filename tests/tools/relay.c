/*
 * relay: a bad network between this network namespace and a new one, `far`, of its own.
 *
 * A TUN device in each is the end of a link. The relay carries packets between them, and loses,
 * delays, reorders and doubles some, chosen by a seed: the kernel's netem is not everywhere.
 * It neither gives the devices addresses nor brings them up. The far namespace is the relay's
 * own (/proc/PID/ns/net), and ends with it and with what was started there.
 */
#include "relay_queue.h"
#include "relay_tcp.h"
#include "until_term.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
    NEAR,
    FAR,
    SIDES,
    MAX_PACKET = 65536,
    BATCH = 64, /* packets read from one side before the other has its turn */
};

/* What the link does to a packet; set by the options. */
static struct {
    const char *device;
    uint64_t loss, duplicate; /* per 1,000 */
    uint64_t loss_seconds;    /* from the start */
    uint64_t delay, jitter;   /* ms */
    uint64_t seed, seconds;
    uint64_t drop_rst, drop_fin, drop_fin_ack; /* the first so many in each direction */
    const char *only; /* the side whose packets these are, NULL: both */
    uint64_t cross;   /* ms that a FIN waits for the other side's */
} option = {.device = "bad0", .seed = 1, .seconds = 1800, .loss_seconds = 1000000000};

static int64_t loss_end;

/* One end, and what happened to the packets that came from it. */
static struct side {
    const char *name;
    int fd;
    uint64_t random; /* state of its generator */
    uint64_t taken, lost, duplicated, reordered, delivered, refused;
    uint64_t rst_dropped, fin_dropped, fin_ack_dropped;
    uint64_t last;    /* the highest number delivered */
    bool has_ended;   /* sent a FIN or RST */
    uint32_t fin_end; /* the sequence number after its last FIN, 0: none */
} side[SIDES] = {{.name = "near"}, {.name = "far"}};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* Of the monotonic clock, in us. */
static int64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* --- chance --- */

/* splitmix64: the same numbers for a seed everywhere. */
static uint64_t draw(struct side *s)
{
    uint64_t z = (s->random += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static bool happens(struct side *s, uint64_t permille)
{
    return draw(s) % 1000 < permille;
}

static int64_t draw_delay(struct side *s)
{
    return (int64_t)(option.delay * 1000 + draw(s) % (option.jitter * 1000 + 1));
}

/* --- packets --- */

static struct side *other(const struct side *s)
{
    return &side[s == &side[NEAR] ? FAR : NEAR];
}

/* The ACK of a FIN is told by its number: one connection at a time. */
static bool acks_fin(const struct side *s, struct segment seg)
{
    return seg.flags & FLAG_ACK && other(s)->fin_end && seg.ack == other(s)->fin_end;
}

/* Whether the segment is one of those that are to be dropped for what they say. */
static bool is_unwanted(struct side *s, struct segment seg)
{
    if (option.only && strcmp(option.only, s->name) != 0)
        return false;
    if (seg.flags & FLAG_RST && s->rst_dropped < option.drop_rst)
        return ++s->rst_dropped;
    if (seg.flags & FLAG_FIN && s->fin_dropped < option.drop_fin)
        return ++s->fin_dropped;
    if (acks_fin(s, seg) && s->fin_ack_dropped < option.drop_fin_ack)
        return ++s->fin_ack_dropped;
    return false;
}

static void enqueue(struct side *from, struct segment seg, const unsigned char *data,
                    size_t size)
{
    static uint64_t number;
    struct packet *p = queued < MAX_QUEUE ? malloc(sizeof *p + size) : NULL;

    if (!p) {
        from->lost++;
        return;
    }
    p->waits = option.cross && seg.flags & FLAG_FIN && !other(from)->has_ended;
    p->due = now() + (p->waits ? (int64_t)option.cross * 1000 : draw_delay(from));
    p->number = ++number;
    p->from = from;
    p->to = other(from);
    p->size = size;
    memcpy(p->data, data, size);
    push(p);
}

/* --- the link --- */

static void note_end(struct side *from, struct segment seg)
{
    if (seg.flags & FLAG_FIN)
        from->fin_end = seg.end;
    if (!from->has_ended && seg.flags & (FLAG_FIN | FLAG_RST)) {
        from->has_ended = true;
        release(now());
    }
}

static void treat(struct side *from, const unsigned char *data, size_t size)
{
    struct segment seg = segment_of(data, size);

    from->taken++;
    note_end(from, seg);
    if (is_unwanted(from, seg))
        return;
    if (happens(from, option.loss) && now() < loss_end) {
        from->lost++;
        return;
    }
    enqueue(from, seg, data, size);
    if (happens(from, option.duplicate)) {
        from->duplicated++;
        enqueue(from, seg, data, size);
    }
}

static void take(struct side *from)
{
    static unsigned char data[MAX_PACKET];

    for (int i = 0; i < BATCH; i++) {
        ssize_t n = read(from->fd, data, sizeof data);

        if (n <= 0)
            return;
        treat(from, data, (size_t)n);
    }
}

/* A device that is down refuses packets. */
static void deliver(struct packet *p)
{
    struct side *from = p->from;

    if (write(p->to->fd, p->data, p->size) == (ssize_t)p->size)
        from->delivered++;
    else
        from->refused++;
    from->reordered += p->number < from->last;
    if (p->number > from->last)
        from->last = p->number;
    free(p);
}

/* Until a packet comes or is due, or a signal. */
static void wait_for_packets(const sigset_t *unblocked)
{
    struct pollfd ends[SIDES] = {{.fd = side[NEAR].fd, .events = POLLIN},
                                 {.fd = side[FAR].fd, .events = POLLIN}};
    int64_t left = queued ? queue[0]->due - now() : 1000000;
    struct timespec wait = {0, 0};

    if (left > 0)
        wait = (struct timespec){(time_t)(left / 1000000), (long)(left % 1000000 * 1000)};
    (void)ppoll(ends, SIDES, &wait, unblocked);
}

static void run(const sigset_t *unblocked)
{
    int64_t end = now() + (int64_t)option.seconds * 1000000;

    loss_end = now() + (int64_t)option.loss_seconds * 1000000;
    while (!ended && now() < end) {
        wait_for_packets(unblocked);
        take(&side[NEAR]);
        take(&side[FAR]);
        while (queued && queue[0]->due <= now())
            deliver(pop());
    }
}

static void report(const struct side *s)
{
    printf("%s taken=%" PRIu64 " delivered=%" PRIu64 " lost=%" PRIu64 " duplicated=%" PRIu64
           " reordered=%" PRIu64 " rst-dropped=%" PRIu64 " fin-dropped=%" PRIu64
           " fin-ack-dropped=%" PRIu64 " refused=%" PRIu64 "\n",
           s->name, s->taken, s->delivered, s->lost, s->duplicated, s->reordered,
           s->rst_dropped, s->fin_dropped, s->fin_ack_dropped, s->refused);
}

/* --- start --- */

/* A device belongs to the namespace that /dev/net/tun was opened in. */
static void open_end(struct side *s)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};

    s->random = option.seed * SIDES + (uint64_t)(s - side);
    s->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (s->fd < 0)
        die("/dev/net/tun");
    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", option.device);
    if (ioctl(s->fd, TUNSETIFF, &request) != 0)
        die("TUNSETIFF");
}

static _Noreturn void help(int status)
{
    (void)fputs(
        "relay [OPTION...]: join this network namespace to a new one, /proc/PID/ns/net, by a\n"
        "bad link. Prints `ready` once there is a TUN device in each; counts at its end.\n\n"
        "  --device NAME      of the devices, on both sides (bad0)\n"
        "  --loss N           packets lost, per 1,000 (0)\n"
        "  --loss-seconds N   none after that time (never)\n"
        "  --duplicate N      packets doubled, per 1,000 (0)\n"
        "  --delay MS         of every packet, in each direction (0)\n"
        "  --jitter MS        at most so much more: packets overtake each other (0)\n"
        "  --drop-rst N|all   drop the first N packets with RST in each direction (0)\n"
        "  --drop-fin N|all   the same with FIN\n"
        "  --drop-fin-ack N|all  the same with the ACK of a FIN; one connection at a time\n"
        "  --only near|far    drop such of that side only\n"
        "  --cross MS         a FIN waits for the other side's FIN or RST, at most so long\n"
        "  --seed N           of all chances (1)\n"
        "  --seconds N        end after that time, if not by SIGTERM (1800)\n",
        status ? stderr : stdout);
    exit(status);
}

static uint64_t number_of(const char *text)
{
    const uint64_t most = 1000000000;
    char *end;
    uint64_t value;

    if (strcmp(text, "all") == 0)
        return most;
    value = strtoull(text, &end, 10);
    if (end == text || *end || value > most)
        help(2);
    return value;
}

static const char *side_name(const char *text)
{
    if (strcmp(text, side[NEAR].name) != 0 && strcmp(text, side[FAR].name) != 0)
        help(2);
    return text;
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"device", 1, NULL, 'D'},
        {"loss", 1, NULL, 'l'},
        {"duplicate", 1, NULL, 'd'},
        {"delay", 1, NULL, 't'},
        {"jitter", 1, NULL, 'j'},
        {"drop-rst", 1, NULL, 'r'},
        {"drop-fin", 1, NULL, 'f'},
        {"drop-fin-ack", 1, NULL, 'a'},
        {"only", 1, NULL, 'o'},
        {"cross", 1, NULL, 'c'},
        {"seed", 1, NULL, 's'},
        {"seconds", 1, NULL, 'S'},
        {"loss-seconds", 1, NULL, 'L'},
        {"help", 0, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    uint64_t *numbers[] = {
        ['l'] = &option.loss,         ['d'] = &option.duplicate,   ['t'] = &option.delay,
        ['a'] = &option.drop_fin_ack, ['c'] = &option.cross,       ['j'] = &option.jitter,
        ['r'] = &option.drop_rst,     ['f'] = &option.drop_fin,    ['s'] = &option.seed,
        ['S'] = &option.seconds,      ['L'] = &option.loss_seconds};
    int key;

    while ((key = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (key == 'h' || key == '?')
            help(key == 'h' ? 0 : 2);
        if (key == 'D')
            option.device = optarg;
        else if (key == 'o')
            option.only = side_name(optarg);
        else
            *numbers[key] = number_of(optarg);
    }
    if (optind < argc)
        help(2);
}

int main(int argc, char **argv)
{
    sigset_t unblocked;

    read_options(argc, argv);
    unblocked = hold_signals();
    open_end(&side[NEAR]);
    if (unshare(CLONE_NEWNET) != 0)
        die("unshare");
    open_end(&side[FAR]);
    puts("ready");
    (void)fflush(stdout);
    run(&unblocked);
    report(&side[NEAR]);
    report(&side[FAR]);
    return 0;
}
