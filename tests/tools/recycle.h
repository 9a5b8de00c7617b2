/*
 * recycle's words: its command line, and what its processes share.
 */
#ifndef RECYCLE_H
#define RECYCLE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/** Ends the process with a message unless the condition holds. */
#define REQUIRE(condition)                                                                     \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            dprintf(2, "recycle: line %d: %s (errno %d)\n", __LINE__, #condition, errno);      \
            _exit(1);                                                                          \
        }                                                                                      \
    } while (0)

#define MESSAGE      "a line of a short connection\n"
#define DESTINATIONS 8

/** Where to connect to, by turns. */
static struct server {
    unsigned count;
    struct sockaddr_storage at[DESTINATIONS];
} server;

struct shared {
    int fd;
    struct server server;
    _Atomic unsigned long connects, failed, none_free, leaked;
    _Atomic int error;          /* connect()'s last */
    _Atomic long whole, broken; /* what the server read */
    _Atomic bool ports[65536];
    uint32_t ns[]; /* each connect()'s; 0: before `warm` */
};

struct worker {
    unsigned long done;
    int held; /* the last one */
};

static struct word {
    const char *name;
    long value;
} words[] = {
    {"n", 1000},         /* connections of each thread */
    {"threads", 1},      /* of each process */
    {"processes", 1},    /* at once */
    {"runs", 1},         /* so many times as many processes, one after the other */
    {"exec", 0},         /* each process is loaded anew */
    {"hold", 0},         /* connections of each thread that stay open, before the others */
    {"wait", 0},         /* half-closes, and closes when the server has closed, too (of a remote
                            one it is not seen whether it is behind) */
    {"last", 0},         /* the server closes first, once it has the line; we after it, and what
                            is held when all threads are so far */
    {"pause", 0},        /* us after each connection */
    {"nonblock", 0},     /* sockets are non-blocking */
    {"family", 4},       /* 4, 6, or 46: an IPv6 socket to a v4-mapped address */
    {"port", 0},         /* the server's; 0: any */
    {"destinations", 1}, /* of those ports, 1,000 apart, used by turns */
    {"serve", 0},        /* only the server, for so many seconds, on every address */
    {"remote", 0},       /* no server: there is one at 10.77.0.2 */
    {"device", 0},       /* SO_BINDTODEVICE, to veth77 */
    {"blind", 0},        /* with exec: socket(AF_NETLINK) fails with this errno (seccomp) */
    {"signals", 0},      /* a handler connects, too, every so many us, n times at most */
    {"forks", 0},        /* the first thread forks meanwhile, and looks at the child's fds */
    {"deaf", 0},         /* the server reads nothing and closes nothing */
    {"mapped", 0},       /* the addresses lie in memory that mmap() made */
    {"warm", 0},         /* first connects of each thread that the times leave out */
};

#define WORDS (sizeof(words) / sizeof(words[0]))

static long word(const char *name)
{
    for (size_t i = 0; i < WORDS; i++)
        if (strcmp(words[i].name, name) == 0)
            return words[i].value;
    REQUIRE(!"a word");
}

static void read_words(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        size_t len = strcspn(argv[i], "=");
        struct word *at = NULL;
        for (size_t w = 0; w < WORDS && !at; w++)
            if (strlen(words[w].name) == len && strncmp(words[w].name, argv[i], len) == 0)
                at = &words[w];
        REQUIRE(at && argv[i][len] == '=');
        at->value = strtol(argv[i] + len + 1, NULL, 10);
    }
    REQUIRE(word("destinations") <= DESTINATIONS);
}

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

#endif
