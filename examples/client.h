/*
 * What the example clients share: the server's address, and the exchange with it.
 *
 * A message is a length (4 bytes, network order) and the text "test"; a reply has the same
 * form.
 */
#ifndef CLIENT_H
#define CLIENT_H

#ifndef _GNU_SOURCE /* the Makefile sets it */
#define _GNU_SOURCE
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long parse_number(const char *name, const char *text, long min, long max)
{
    size_t digits = strspn(text, "0123456789");
    long number = strtol(text, NULL, 10);
    if (digits == 0 || text[digits] != '\0' || number < min || number > max) {
        fprintf(stderr, "%s: %s: '%s' is not a number from %ld to %ld\n",
                program_invocation_short_name, name, text, min, max);
        exit(2);
    }
    return number;
}

static struct addrinfo *find_server(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *server;
    int error = getaddrinfo(host, port, &hints, &server);
    if (error != 0) {
        fprintf(stderr, "%s: --host: '%s': %s\n", program_invocation_short_name, host,
                gai_strerror(error));
        exit(2);
    }
    return server;
}

static bool write_message(int fd)
{
    static const char message[] = {0, 0, 0, 4, 't', 'e', 's', 't'};
    return write(fd, message, sizeof message) == (ssize_t)sizeof message;
}

/* Reads exactly `size` bytes; an early end of file is ENODATA. */
static bool read_all(int fd, char *buffer, size_t size)
{
    while (size > 0) {
        ssize_t got = read(fd, buffer, size);
        if (got <= 0) {
            if (got == 0)
                errno = ENODATA;
            return false;
        }
        buffer += got;
        size -= (size_t)got;
    }
    return true;
}

static bool read_reply(int fd)
{
    uint32_t length;
    char text[256];
    if (!read_all(fd, (char *)&length, sizeof length))
        return false;
    length = ntohl(length);
    if (length > sizeof text) {
        errno = EMSGSIZE;
        return false;
    }
    return read_all(fd, text, length);
}

static bool await_input(int fd)
{
    struct pollfd input = {.fd = fd, .events = POLLIN};
    return poll(&input, 1, -1) == 1;
}

#endif
