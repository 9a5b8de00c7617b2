/*
 * technique-client: closes its connections by one of the seven techniques, in its own code.
 *
 * It makes the same connections as legacy-client, whose code knows none of this, and prints for
 * each how long the close took, with all that the technique does for it.
 */
#include "client.h"

#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <time.h>

static const struct linger ABORT = {1, 0}, WAIT = {1, 1}; /* on, seconds */

/* What is done between connect() and close(), in this order. */
static const struct technique {
    const char *name;
    const struct linger *linger;
    bool reply, unread, sleep, fin;
    const char *help;
} techniques[] = {
    {"plain", NULL, false, false, false, false, "write, close"},
    {"abort", &ABORT, false, false, false, false, "SO_LINGER {1,0}, write, close"},
    {"sleep", &ABORT, false, false, true, false, "the same, with 1 ms of sleep before close"},
    {"linger", &WAIT, false, false, false, false, "SO_LINGER {1,1}, write, close"},
    {"unread", &WAIT, false, true, false, false, "the same, once there is a byte, left unread"},
    {"disconnect", &ABORT, false, false, false, true, "SO_LINGER {1,0}, write, FIN, close"},
    {"read-last", &ABORT, true, false, false, false, "SO_LINGER {1,0}, write, read, close"},
};
enum { TECHNIQUES = sizeof techniques / sizeof techniques[0] };

static struct {
    const struct technique *technique;
    const char *host, *port;
    long connections;
} opt = {.technique = techniques, .host = "127.0.0.1", .port = "7000", .connections = 1};

static void help(void)
{
    puts("Usage: technique-client [OPTION]...\n"
         "Connects to a server, sends one message and closes by a technique:\n");
    for (int i = 0; i < TECHNIQUES; i++)
        printf("  %-15s %s\n", techniques[i].name, techniques[i].help);
    puts("\n"
         "  --technique T   one of these (default plain)\n"
         "  --host NAME     the server's name or address (default 127.0.0.1)\n"
         "  --port N        the server's port (default 7000)\n"
         "  --connections N how many connections to make (default 1)\n"
         "  --help          show this text\n"
         "\n"
         "Prints for each connection LOCAL-PORT CLOSE-US: from the end of the exchange to the\n"
         "return of close(). Exit status: 0, 1 something failed, 2 bad usage.");
}

static const struct technique *find_technique(const char *name)
{
    for (int i = 0; i < TECHNIQUES; i++)
        if (strcmp(name, techniques[i].name) == 0)
            return &techniques[i];
    fprintf(stderr, "technique-client: --technique: '%s' is none (see --help)\n", name);
    exit(2);
}

static void set_option(int letter)
{
    if (letter == '?')
        exit(2);
    if (letter == 't')
        opt.technique = find_technique(optarg);
    if (letter == 'h')
        opt.host = optarg;
    if (letter == 'p' && parse_number("--port", optarg, 1, 65535) > 0)
        opt.port = optarg;
    if (letter == 'n')
        opt.connections = parse_number("--connections", optarg, 1, 1000000);
    if (letter == 'H') {
        help();
        exit(0);
    }
}

static void parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"technique", required_argument, NULL, 't'},
        {"host", required_argument, NULL, 'h'},
        {"port", required_argument, NULL, 'p'},
        {"connections", required_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'H'},
        {NULL, 0, NULL, 0},
    };
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1)
        set_option(letter);
    if (optind < argc) {
        fprintf(stderr, "technique-client: unexpected argument '%s'\n", argv[optind]);
        exit(2);
    }
}

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static bool set_linger(int fd, const struct linger *linger)
{
    return linger == NULL || setsockopt(fd, SOL_SOCKET, SO_LINGER, linger, sizeof *linger) == 0;
}

static bool exchange(int fd, const struct technique *technique)
{
    return write_message(fd) && (!technique->reply || read_reply(fd)) &&
           (!technique->unread || await_input(fd));
}

/* The rest of the technique. An earlier reset by the peer is no failure of it. */
static bool end_connection(int fd, const struct technique *technique)
{
    struct timespec millisecond = {0, 1000000};
    if (technique->sleep)
        nanosleep(&millisecond, NULL);
    if (technique->fin && shutdown(fd, SHUT_WR) != 0 && errno != ENOTCONN)
        return false;
    return close(fd) == 0;
}

static unsigned local_port(int fd)
{
    struct sockaddr_in6 name = {0}; /* the port stands where that of sockaddr_in does */
    socklen_t size = sizeof name;
    getsockname(fd, (struct sockaddr *)&name, &size);
    return ntohs(name.sin6_port);
}

static bool connect_once(const struct addrinfo *server, const struct technique *technique)
{
    int fd = socket(server->ai_family, server->ai_socktype, server->ai_protocol);
    if (fd < 0 || connect(fd, server->ai_addr, server->ai_addrlen) != 0 ||
        !set_linger(fd, technique->linger) || !exchange(fd, technique))
        return false;
    unsigned port = local_port(fd);
    double start = now_us();
    if (!end_connection(fd, technique))
        return false;
    printf("%u %.1f\n", port, now_us() - start);
    return true;
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    struct addrinfo *server = find_server(opt.host, opt.port);
    const struct technique *technique = opt.technique;
    bool well = true;
    for (long i = 0; well && i < opt.connections; i++)
        well = connect_once(server, technique);
    if (!well)
        fprintf(stderr, "technique-client: %s\n", strerror(errno));
    freeaddrinfo(server);
    return !well;
}
