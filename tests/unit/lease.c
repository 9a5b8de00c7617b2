/*
 * lease: what is taken over of a block of ports, step by step. The kernel is this program's,
 * and so is the time: both do what the words say, and nothing else.
 *
 *   lease WORD...
 *
 * PORT is its place in the block, from 0 on; the range of ports ends at the last one that is
 * named, since a free port delays the first lease. A step prints the PORT that it took, and
 * `reserved` where it turned SO_REUSEADDR off; or why it took none.
 */
#include "kernel/lease.h"
#include "kernel/lock.h"
#include "kernel/raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BLOCK 2048 /* of the ports from 32768 on */

/* A port as the kernel has it. */
static struct {
    enum tcp_state state; /* 0: free */
    int64_t born_ms;
    uint32_t cookie;
    bool refused; /* bind() says EADDRINUSE */
} ports[BLOCK_PORTS];

static int64_t now_ms = 1000000;
static uint32_t cookies;
static bool locked, blind, reserved;

/* --- the kernel --- */

int clock_gettime(clockid_t clock, struct timespec *ts)
{
    (void)clock;
    *ts = (struct timespec){(time_t)(now_ms / 1000), (long)(now_ms % 1000 * NS_PER_MS)};
    return 0;
}

int diag_open(void)
{
    return 3;
}

int diag_open_as(uint32_t port)
{
    (void)port;
    errno = EADDRINUSE;
    return locked ? -1 : 3;
}

void diag_close(int diag)
{
    (void)diag;
}

uint64_t diag_cookie(const struct diag_socket *socket)
{
    return socket->id.cookie[0];
}

bool diag_look(int diag, struct diag_socket *sockets, size_t count)
{
    (void)diag;
    for (size_t i = 0; i < count; i++) {
        unsigned at = block_index(ntohs(sockets[i].id.local_port));
        sockets[i].state = ports[at].state ? ports[at].state : STATE_CLOSE;
        sockets[i].id.cookie[0] = ports[at].cookie;
        sockets[i].expires_ms = (uint32_t)(ports[at].born_ms + TIME_WAIT_MS - now_ms);
    }
    return !blind;
}

bool diag_each_to(int diag, const struct diag_socket *peer, uint8_t family, unsigned states,
                  diag_visit *visit, void *context)
{
    (void)diag, (void)peer, (void)family, (void)states, (void)visit, (void)context;
    return false;
}

static void put(unsigned at, enum tcp_state state, int64_t age)
{
    ports[at].state = state;
    ports[at].born_ms = now_ms - age;
    ports[at].cookie = ++cookies;
}

static long system_call(long number, ...)
{
    va_list list;
    va_start(list, number);
    (void)va_arg(list, int);
    if (number == SYS_setsockopt) {
        reserved = true;
    } else {
        const struct sockaddr_in *address = va_arg(list, const struct sockaddr_in *);
        unsigned at = block_index(ntohs(address->sin_port));
        errno = EADDRINUSE;
        if (ports[at].refused)
            number = -1;
        else
            put(at, STATE_ESTABLISHED, 0); /* connect() follows at once */
    }
    va_end(list);
    return number < 0 ? -1 : 0;
}

raw_function *raw_own(void)
{
    return system_call;
}

void lock_hold_signals(struct lock_signals *before)
{
    (void)before;
}

void lock_let_signals(const struct lock_signals *before)
{
    (void)before;
}

/* --- the words --- */

static struct blocks blocks;
static struct rest rest;
static struct sysctls sysctls = {.low = 32768};
static struct taker taker = {
    .family = AF_INET, .sysctls = &sysctls, .age = 20, .below = TIME_WAIT_MS};

static void say(enum took took, const struct lease_entry *entry)
{
    static const char *const why[] = {
        [TOOK_LATER] = "later", [TOOK_FIXED] = "fixed", [TOOK_BLIND] = "blind"};
    static const char *comma = "";
    fputs(comma, stdout);
    if (took == TOOK)
        printf("%u%s", block_index(entry->port), reserved ? " reserved" : "");
    else
        fputs(why[took], stdout);
    comma = ",";
    reserved = false;
}

static void put_named(unsigned at, enum tcp_state state, unsigned age)
{
    uint16_t port = block_port(BLOCK, at);
    sysctls.high = port > sysctls.high ? port : sysctls.high;
    put(at, state, age);
}

static void do_entry(unsigned at, unsigned age)
{
    put_named(at, STATE_TIME_WAIT, age);
}

static void do_orphan(unsigned at, unsigned age)
{
    put_named(at, STATE_FIN_WAIT2, age);
}

static void do_live(unsigned at, unsigned age)
{
    put_named(at, STATE_ESTABLISHED, age);
}

static void do_refuse(unsigned at, unsigned yes)
{
    ports[at].refused = yes;
}

static void do_pass(unsigned ms, unsigned unused)
{
    (void)unused;
    now_ms += ms;
}

static void do_ages(unsigned least, unsigned below)
{
    taker.age = least;
    taker.below = below;
}

static void do_kernel(unsigned is_locked, unsigned is_blind)
{
    locked = is_locked;
    blind = is_blind;
}

static void do_take(unsigned unused, unsigned unused2)
{
    struct lease_entry entry = {0};
    (void)unused, (void)unused2;
    say(lease_take(&taker, BLOCK, &blocks.block[BLOCK], &rest, &entry), &entry);
}

static void do_pop(unsigned unused, unsigned unused2)
{
    struct lease_entry entry = {0};
    (void)unused, (void)unused2;
    say(lease_pop(&taker, &rest.lease, &entry), &entry);
}

static void do_young(unsigned unused, unsigned unused2)
{
    struct lease_entry entry = {0};
    (void)unused, (void)unused2;
    say(lease_take_young(&taker, &blocks, &rest.young, &entry), &entry);
}

static const struct {
    const char *name;
    void (*act)(unsigned first, unsigned second);
} words[] = {
    {"entry", do_entry},   /* :PORT:AGE_MS, in TIME_WAIT */
    {"orphan", do_orphan}, /* :PORT:AGE_MS, in FIN_WAIT2 */
    {"live", do_live},     /* :PORT, somebody's connection */
    {"refuse", do_refuse}, /* :PORT:1, bind() says EADDRINUSE; :0, no more */
    {"pass", do_pass},     /* :MS */
    {"ages", do_ages},     /* :LEAST:BELOW, of an entry that is taken */
    {"kernel", do_kernel}, /* :LOCKED:BLIND, another has the block's lock; sock_diag is refused
                            */
    {"take", do_take},     {"pop", do_pop}, {"young", do_young},
};

static bool act(const char *word)
{
    size_t len = strcspn(word, ":");
    char *at = (char *)word + len;
    unsigned long first = *at ? strtoul(at + 1, &at, 10) : 0;
    unsigned long second = *at ? strtoul(at + 1, &at, 10) : 0;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i].name) == len && strncmp(words[i].name, word, len) == 0) {
            words[i].act((unsigned)first, (unsigned)second);
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!act(argv[i]))
            return 2;
    return argc < 2 ? 2 : 0;
}
