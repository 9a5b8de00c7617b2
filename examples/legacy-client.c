/*
 * legacy-client: opens short connections to one server, one after the other.
 *
 * It stands for the programs that nobody can change: plain socket(), connect(), write(),
 * read() and close(), no socket option.
 */
#include "client.h"

#include <getopt.h>
#include <signal.h>
#include <time.h>

struct options {
    const char *host, *port;
    long connections, size;
    int reply, unread, read_eof;
};

struct counts {
    long connections; /* made */
    long failed;      /* could not be made */
    long errors;      /* made, but the exchange or the close failed */
};

static const char help[] =
    "Usage: legacy-client [OPTION]...\n"
    "Connects to a server, sends one message, closes; again and again.\n"
    "\n"
    "  --host NAME        the server's name or address (default 127.0.0.1)\n"
    "  --port N           the server's port (default 7000)\n"
    "  --connections N    how many connections to make (default 1)\n"
    "  --size BYTES       send so many bytes of text (default 4)\n"
    "  --reply            read the reply (needs a server with --reply)\n"
    "  --unread           wait until there is something to read (after the reply, if\n"
    "                     --reply is given), and close without reading it\n"
    "  --read-eof         read until the server has closed, then close (needs a server\n"
    "                     with --close=now)\n"
    "  --help             show this text\n"
    "\n"
    "At the end it prints: connections= (made) failed= (could not be made) errors= (made,\n"
    "but something failed later) seconds= per_second=. It stops when no local port is free.\n"
    "Exit status: 0 all went well, 1 something failed, 2 bad usage.\n";

static void set_option(struct options *opt, int letter)
{
    if (letter == '?')
        exit(2);
    if (letter == 'h')
        opt->host = optarg;
    if (letter == 'p' && parse_number("--port", optarg, 1, 65535) > 0)
        opt->port = optarg;
    if (letter == 'n')
        opt->connections = parse_number("--connections", optarg, 1, 1000000000);
    if (letter == 's')
        opt->size = parse_number("--size", optarg, 1, 1000000000);
    if (letter == 'H') {
        fputs(help, stdout);
        exit(0);
    }
}

static struct options parse_options(int argc, char **argv)
{
    struct options opt = {.host = "127.0.0.1", .port = "7000", .connections = 1, .size = 4};
    const struct option known[] = {
        {"host", required_argument, NULL, 'h'},
        {"port", required_argument, NULL, 'p'},
        {"connections", required_argument, NULL, 'n'},
        {"size", required_argument, NULL, 's'},
        {"reply", no_argument, &opt.reply, 1},
        {"unread", no_argument, &opt.unread, 1},
        {"read-eof", no_argument, &opt.read_eof, 1},
        {"help", no_argument, NULL, 'H'},
        {NULL, 0, NULL, 0},
    };
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1)
        set_option(&opt, letter);
    if (optind < argc) {
        fprintf(stderr, "legacy-client: unexpected argument '%s'\n", argv[optind]);
        exit(2);
    }
    return opt;
}

static bool read_until_eof(int fd)
{
    char buffer[4096];
    ssize_t got;
    while ((got = read(fd, buffer, sizeof buffer)) > 0)
        ;
    return got == 0;
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, data, size);
        if (put < 0)
            return false;
        data += put;
        size -= (size_t)put;
    }
    return true;
}

/* A message of another size than write_message()'s. */
static bool write_sized(int fd, size_t size)
{
    uint32_t length = htonl((uint32_t)size);
    char *message = calloc(1, sizeof length + size);
    if (message == NULL)
        return false;
    memcpy(message, &length, sizeof length);
    bool written = write_all(fd, message, sizeof length + size);
    free(message);
    return written;
}

/* Returns NULL, or the name of the call that failed, with errno. */
static const char *exchange(int fd, const struct options *opt)
{
    if (opt->size == 4 ? !write_message(fd) : !write_sized(fd, (size_t)opt->size))
        return "write";
    if (opt->reply && !read_reply(fd))
        return "read";
    if (opt->unread && !await_input(fd))
        return "poll";
    if (opt->read_eof && !read_until_eof(fd))
        return "read";
    return NULL;
}

/* Of any number of failures only the first is shown; all are counted. */
static void complain(const struct counts *counts, const char *call)
{
    if (errno == EADDRNOTAVAIL && counts->connections > 0)
        fprintf(stderr, "legacy-client: %s: %s after %ld connections: no free local port\n",
                call, strerror(errno), counts->connections);
    else if (counts->failed + counts->errors == 0)
        fprintf(stderr, "legacy-client: %s: %s (any more are only counted)\n", call,
                strerror(errno));
}

/* Returns false when it makes no sense to go on. */
static bool connect_once(const struct addrinfo *server, const struct options *opt,
                         struct counts *counts)
{
    int fd = socket(server->ai_family, server->ai_socktype, server->ai_protocol);
    if (fd < 0 || connect(fd, server->ai_addr, server->ai_addrlen) != 0) {
        bool port_left = errno != EADDRNOTAVAIL;
        complain(counts, fd < 0 ? "socket" : "connect");
        counts->failed++;
        if (fd >= 0)
            close(fd);
        return port_left;
    }
    counts->connections++;
    const char *failed = exchange(fd, opt);
    if (failed != NULL)
        complain(counts, failed);
    if (close(fd) != 0 && failed == NULL)
        complain(counts, failed = "close");
    counts->errors += failed != NULL;
    return true;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct options opt = parse_options(argc, argv);
    struct addrinfo *server = find_server(opt.host, opt.port);
    struct counts counts = {0};
    signal(SIGPIPE, SIG_IGN);
    double start = now();
    for (long i = 0; i < opt.connections && connect_once(server, &opt, &counts); i++)
        ;
    double seconds = now() - start;
    freeaddrinfo(server);
    printf("connections=%ld failed=%ld errors=%ld seconds=%.3f per_second=%.0f\n",
           counts.connections, counts.failed, counts.errors, seconds,
           (double)counts.connections / seconds);
    return counts.failed + counts.errors > 0;
}
