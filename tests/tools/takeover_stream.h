/* takeover's stream: a head that says whose it is and how long, and bytes that follow from it.
 */
#ifndef TAKEOVER_STREAM_H
#define TAKEOVER_STREAM_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 12, LONGEST = 20000, MAGIC = 0x7a6b };

struct stream {
    int fd;
    uint32_t id, length; /* bytes, the head counted; 0: the head has not come */
    bool corrupt;
};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "takeover: %s: %s\n", what, strerror(errno));
    exit(2);
}

static int64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* Most are of one segment, some of several. */
static uint32_t length_of(uint32_t id)
{
    return HEAD + (id % 8 ? id * 2654435761U % 1000 : id * 2654435761U % (LONGEST - HEAD));
}

/* Byte i of the stream: the head's are its three numbers. */
static unsigned char byte_of(const struct stream *s, uint32_t i)
{
    const uint32_t head[] = {MAGIC, s->id, s->length};

    if (i < HEAD)
        return (unsigned char)(head[i / 4] >> i % 4 * 8);
    return (unsigned char)((s->id * 2654435761U ^ i * 2246822519U) >> 17);
}

static bool send_stream(const struct stream *s)
{
    unsigned char data[LONGEST];

    for (uint32_t i = 0; i < s->length; i++)
        data[i] = byte_of(s, i);
    for (uint32_t sent = 0; sent < s->length;) {
        ssize_t n = write(s->fd, data + sent, s->length - sent);

        if (n <= 0)
            return false;
        sent += (uint32_t)n;
    }
    return true;
}

static bool receive_bytes(int fd, unsigned char *data, size_t size)
{
    return recv(fd, data, size, MSG_WAITALL) == (ssize_t)size;
}

/* A head that no client has sent is of another connection, or of another time. */
static bool receive_head(struct stream *s)
{
    unsigned char data[HEAD];
    uint32_t numbers[3] = {0};

    if (!receive_bytes(s->fd, data, HEAD))
        return false;
    for (int i = 0; i < HEAD; i++)
        numbers[i / 4] |= (uint32_t)data[i] << i % 4 * 8;
    s->id = numbers[1];
    s->length = numbers[2];
    s->corrupt = numbers[0] != MAGIC || s->length != length_of(s->id);
    return !s->corrupt;
}

/* False: it did not come whole, or is corrupt. */
static bool receive_stream(struct stream *s)
{
    unsigned char data[LONGEST];

    if (!receive_head(s) || !receive_bytes(s->fd, data, s->length - HEAD))
        return false;
    for (uint32_t i = HEAD; i < s->length; i++)
        s->corrupt |= data[i - HEAD] != byte_of(s, i);
    return !s->corrupt;
}

#endif
