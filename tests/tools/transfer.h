/*
 * transfer's core: a connection at either end, and the messages that it carries.
 *
 * A message's first byte tells its size, the rest follows from the client's port: each end can
 * check every byte without having heard of it before.
 */
#ifndef TRANSFER_H
#define TRANSFER_H

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CHUNK = 65536,
    REQUEST = 100,    /* bytes of a request, whatever the reply's size */
    STREAMED = 65536, /* bytes that a server sends unasked, before and after the message */
    MAX_CONNECTIONS = 10000,
    STACK = 256 * 1024,
    MAX_SIZE = 1 << 20,
};

static const int sizes[] = {
    1,    1,    2,    10,   64,    100,   512,   1000,   1448,   1449,
    2000, 3000, 4096, 8000, 10000, 16384, 30000, 100000, 262144, MAX_SIZE,
};

enum { SIZES = sizeof sizes / sizeof sizes[0] };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6; /* has the port in the same place */
};

struct conn;
struct client;

/* How connections are used, at both ends. */
struct mode {
    const char *name;
    bool request; /* the client's message is one */
    void (*serve)(struct conn *c);
    void (*use)(struct client *job, struct conn *c, int class);
    const char *help;
};

/* A connection, at either end: what it received. */
struct conn {
    int fd;
    unsigned port;      /* the client's: the key of the bytes */
    bool request;       /* what comes is a request */
    int class;          /* of the message, or of the reply: an index of sizes */
    size_t got, wanted; /* bytes; wanted is 0 until the first byte told it */
    bool corrupt;
    bool unsent;     /* not all of ours could be sent */
    _Atomic int end; /* one of these */
};

enum { OPEN, SEEN_EOF, SEEN_RESET, SEEN_TIMEOUT, SEEN_OTHER, CLOSED, ENDS };

static int seconds = 120; /* before it gives up */

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "transfer: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void spawn(void *(*function)(void *), void *argument)
{
    pthread_t thread;
    pthread_attr_t attributes;

    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, STACK);
    if (pthread_create(&thread, &attributes, function, argument) != 0)
        die("pthread_create");
    (void)pthread_attr_destroy(&attributes);
}

/* --- messages --- */

static unsigned char byte_at(const struct conn *c, size_t i)
{
    return (unsigned char)((c->port * 2654435761U ^ (unsigned)i * 2246822519U) >> 17);
}

static size_t size_of(bool request, int class)
{
    return request ? REQUEST : (size_t)sizes[class];
}

static void check_bytes(struct conn *c, const unsigned char *data, size_t n)
{
    for (size_t i = 0; i < n; i++, c->got++) {
        if (c->got == 0) {
            c->class = data[i] % SIZES;
            c->wanted = size_of(c->request, c->class);
        } else if (data[i] != byte_at(c, c->got) || c->got >= c->wanted) {
            c->corrupt = true;
        }
    }
}

static bool complete(const struct conn *c)
{
    return c->wanted > 0 && c->got == c->wanted && !c->corrupt;
}

/* A line for what went wrong. */
static void tell(const char *what, const struct conn *c, int error)
{
    printf("%s port=%u got=%zu wanted=%zu %s\n", what, c->port, c->got, c->wanted,
           error ? strerrorname_np(error) : "EOF");
}

/* The first reason stays. */
static void end_by(struct conn *c, int end)
{
    int open = OPEN;

    (void)atomic_compare_exchange_strong(&c->end, &open, end);
}

static void end_by_error(struct conn *c)
{
    if (errno == ECONNRESET || errno == EPIPE)
        end_by(c, SEEN_RESET);
    else
        end_by(c, errno == ETIMEDOUT ? SEEN_TIMEOUT : SEEN_OTHER);
}

/* Reads once; false at the end of the stream, or an error. */
static bool receive(struct conn *c)
{
    unsigned char data[CHUNK];
    ssize_t n = read(c->fd, data, sizeof data);

    if (n > 0)
        check_bytes(c, data, (size_t)n);
    else if (n == 0)
        end_by(c, SEEN_EOF);
    else
        end_by_error(c);
    return n > 0;
}

static bool receive_message(struct conn *c)
{
    while (c->wanted == 0 || c->got < c->wanted)
        if (!receive(c))
            return false;
    return true;
}

static size_t send_bytes(struct conn *c, const unsigned char *data, size_t size)
{
    size_t sent = 0;

    while (sent < size) {
        ssize_t n = write(c->fd, data + sent, size - sent);

        if (n <= 0) {
            c->unsent = true;
            end_by_error(c);
            break;
        }
        sent += (size_t)n;
    }
    return sent;
}

/* In one write, where the socket's buffer has room. Returns the bytes sent. */
static size_t send_message(struct conn *c, bool request, int class)
{
    size_t size = size_of(request, class), sent;
    unsigned char *data = malloc(size);

    if (!data)
        die("malloc");
    data[0] = (unsigned char)class;
    for (size_t i = 1; i < size; i++)
        data[i] = byte_at(c, i);
    sent = send_bytes(c, data, size);
    free(data);
    return sent;
}

#endif
