/*
 * legacy-server: reads messages from any number of connections, in one epoll loop.
 *
 * A message is a length (4 bytes, network order) and that many bytes of text; so is a reply.
 * What became of the connections is counted: it shows what a client's close does to a server.
 */
#ifndef _GNU_SOURCE /* the Makefile sets it */
#define _GNU_SOURCE
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FILES = 262144 };

static struct message {
    size_t header_bytes; /* of the length, read so far */
    uint32_t length;     /* of the text, still to be read; network order until complete */
    in_port_t client_port;
} messages[MAX_FILES]; /* the one that is being read, by fd */

/* Connections that are not looked at yet, in the order in which they will be. */
static struct {
    long long due[MAX_FILES]; /* ms of the monotonic clock, by fd */
    int fds[MAX_FILES];       /* a ring: each fd is in it at most once */
    size_t first, count;
} later;

static struct {
    const char *bind, *port;
    bool close_now;
    long behind_ms;
    int reply, extra_byte, report, trace;
} opt = {.bind = "127.0.0.1", .port = "7000"};

static struct {
    long connections, messages, bytes, eof, resets, broken_pipe, errors, nameless;
} counts;
static volatile sig_atomic_t stopped;

static const char help[] =
    "Usage: legacy-server [OPTION]...\n"
    "Reads messages from its clients until SIGTERM.\n"
    "\n"
    "  --bind ADDR     listen on this IPv4 or IPv6 address (default 127.0.0.1)\n"
    "  --port N        and this port (default 7000; 0: any free one)\n"
    "  --reply         answer each message\n"
    "  --extra-byte    send one more byte after each message, that no client expects\n"
    "  --close=eof     close when the client has closed (default)\n"
    "  --close=now     close at once after the first message\n"
    "  --behind=MS     look at a connection only MS ms after it came, ask for its peer\n"
    "                  (getpeername), and look again only MS ms after each reply\n"
    "  --report        print at the end what was seen: connections= messages= bytes= eof=\n"
    "                  resets= (ECONNRESET) broken_pipe= (EPIPE) errors= (any other)\n"
    "                  nameless= (getpeername failed)\n"
    "  --trace         print what each call returned, bytes or the error: TIME CLIENT'S-PORT\n"
    "                  read|write|close RESULT\n"
    "  --help          show this text\n"
    "\n"
    "It prints 'ready port=N' when it listens. Exit status: 0 after SIGTERM, 1 it cannot\n"
    "listen, 2 bad usage.\n";

static void bad_value(const char *name, const char *value, const char *accepted)
{
    fprintf(stderr, "legacy-server: %s: '%s' is not %s\n", name, value, accepted);
    exit(2);
}

static void fail(const char *call)
{
    fprintf(stderr, "legacy-server: %s: %s\n", call, strerror(errno));
    exit(1);
}

static void set_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] != '\0' || strtol(text, NULL, 10) > 65535)
        bad_value("--port", text, "a number from 0 to 65535");
    opt.port = text;
}

static void set_behind(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    opt.behind_ms = strtol(text, NULL, 10);
    if (digits == 0 || text[digits] != '\0' || opt.behind_ms > 60000)
        bad_value("--behind", text, "a number from 0 to 60000");
}

static void set_option(int letter)
{
    if (letter == '?')
        exit(2);
    if (letter == 'd')
        set_behind(optarg);
    if (letter == 'b')
        opt.bind = optarg;
    if (letter == 'p')
        set_port(optarg);
    if (letter == 'c')
        opt.close_now = strcmp(optarg, "now") == 0;
    if (letter == 'c' && !opt.close_now && strcmp(optarg, "eof") != 0)
        bad_value("--close", optarg, "'now' or 'eof'");
    if (letter == 'h') {
        fputs(help, stdout);
        exit(0);
    }
}

static void parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"bind", required_argument, NULL, 'b'},
        {"port", required_argument, NULL, 'p'},
        {"close", required_argument, NULL, 'c'},
        {"behind", required_argument, NULL, 'd'},
        {"reply", no_argument, &opt.reply, 1},
        {"extra-byte", no_argument, &opt.extra_byte, 1},
        {"report", no_argument, &opt.report, 1},
        {"trace", no_argument, &opt.trace, 1},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1)
        set_option(letter);
    if (optind < argc)
        bad_value("argument", argv[optind], "expected");
}

static int listen_on(const char *address, const char *port)
{
    struct addrinfo *to, hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    if (getaddrinfo(address, port, &hints, &to) != 0)
        bad_value("--bind", address, "an IPv4 or IPv6 address");
    int yes = 1, fd = socket(to->ai_family, to->ai_socktype | SOCK_NONBLOCK, to->ai_protocol);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0)
        fail("socket");
    if (bind(fd, to->ai_addr, to->ai_addrlen) != 0 || listen(fd, 4096) != 0)
        fail("bind");
    freeaddrinfo(to);
    return fd;
}

static void say_ready(int listener)
{
    char port[NI_MAXSERV];
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    getsockname(listener, (struct sockaddr *)&name, &size);
    getnameinfo((struct sockaddr *)&name, size, NULL, 0, port, sizeof port, NI_NUMERICSERV);
    printf("ready port=%s\n", port);
    fflush(stdout);
}

/* Prints what a call on a connection returned, if that is wanted; keeps errno. */
static void trace(int fd, const char *call, ssize_t result)
{
    int error = errno;
    struct timespec now;
    if (opt.trace) {
        clock_gettime(CLOCK_REALTIME, &now);
        printf("%lld.%06ld %u %s ", (long long)now.tv_sec, now.tv_nsec / 1000,
               messages[fd].client_port, call);
        if (result >= 0)
            printf("%zd\n", result);
        else
            puts(error == ECONNRESET ? "ECONNRESET" : error == EPIPE ? "EPIPE" : "error");
    }
    errno = error;
}

/* Counts what ended a connection: end of file (0) or an error. */
static bool ended(ssize_t result)
{
    if (result == 0)
        counts.eof++;
    else if (errno == ECONNRESET)
        counts.resets++;
    else if (errno == EPIPE)
        counts.broken_pipe++;
    else
        counts.errors++;
    return false;
}

static ssize_t put(int fd, const void *data, size_t size)
{
    ssize_t put = write(fd, data, size);
    trace(fd, "write", put);
    return put;
}

/* A peer that takes no reply until its window is full counts as an error (EAGAIN). */
static bool answer(int fd)
{
    static const char reply[] = {0, 0, 0, 4, 't', 'e', 's', 't'};
    if (opt.reply && put(fd, reply, sizeof reply) != (ssize_t)sizeof reply)
        return ended(-1);
    return !opt.extra_byte || put(fd, "x", 1) == 1 || ended(-1);
}

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void look_later(int fd)
{
    later.due[fd] = now_ms() + opt.behind_ms;
    later.fds[(later.first + later.count++) % MAX_FILES] = fd;
}

/* Reads the next piece of a message, and no more than that. False: the connection ends. */
static bool serve(int fd, struct message *msg)
{
    static char text[65536];
    bool in_text = msg->header_bytes == sizeof msg->length;
    void *to = in_text ? text : (char *)&msg->length + msg->header_bytes;
    size_t want = in_text ? msg->length : sizeof msg->length - msg->header_bytes;
    ssize_t got = read(fd, to, want < sizeof text ? want : sizeof text);
    if (got < 0 && errno == EAGAIN)
        return true;
    trace(fd, "read", got);
    if (got <= 0)
        return ended(got);
    counts.bytes += got;
    if (in_text)
        msg->length -= (uint32_t)got;
    else if ((msg->header_bytes += (size_t)got) == sizeof msg->length)
        msg->length = ntohl(msg->length);
    if (msg->header_bytes < sizeof msg->length || msg->length > 0)
        return true;
    msg->header_bytes = 0;
    counts.messages++;
    return answer(fd) && !opt.close_now;
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("epoll_ctl");
}

/* What a server does that logs its client or looks up its rights. */
static void ask_peer(int fd)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    counts.nameless += getpeername(fd, (struct sockaddr *)&name, &size) != 0;
}

/* Turns to the connections whose time has come. */
static void catch_up(int epoll)
{
    while (later.count > 0 && later.due[later.fds[later.first]] <= now_ms()) {
        int fd = later.fds[later.first];
        later.first = (later.first + 1) % MAX_FILES;
        later.count--;
        ask_peer(fd);
        watch(epoll, fd);
    }
}

static void turn_away(int epoll, int fd)
{
    if (epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) != 0)
        fail("epoll_ctl");
    look_later(fd);
}

static void welcome(int epoll, int listener)
{
    int fd;
    struct sockaddr_in6 from = {0}; /* the port stands where that of sockaddr_in does */
    socklen_t size = sizeof from;
    while ((fd = accept4(listener, (struct sockaddr *)&from, &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        messages[fd] = (struct message){.client_port = ntohs(from.sin6_port)};
        size = sizeof from;
        counts.connections++;
        if (opt.behind_ms > 0)
            look_later(fd);
        else
            watch(epoll, fd);
    }
    if (errno != EAGAIN)
        ended(-1);
}

static void go_on(int epoll, int fd)
{
    long answered = counts.messages;
    if (!serve(fd, &messages[fd]))
        trace(fd, "close", close(fd));
    else if (opt.behind_ms > 0 && opt.reply && counts.messages > answered)
        turn_away(epoll, fd);
}

static void stop(int number)
{
    stopped = number;
}

/* The time-out (ms) is for a signal that comes just before the wait. */
static void run(int epoll, int listener)
{
    struct epoll_event events[64];
    while (!stopped) {
        int ready = epoll_wait(epoll, events, 64, later.count > 0 ? 1 : 100);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                welcome(epoll, listener);
            else
                go_on(epoll, fd);
        }
        catch_up(epoll);
    }
}

/* As many files as are allowed and the table has room for. */
static void limit_files(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < MAX_FILES ? files.rlim_max : MAX_FILES;
    setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    setvbuf(stdout, NULL, _IOFBF, 1 << 20); /* a trace must not slow it down */
    signal(SIGTERM, stop);
    signal(SIGPIPE, SIG_IGN);
    limit_files();
    int listener = listen_on(opt.bind, opt.port);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, listener);
    say_ready(listener);
    run(epoll, listener);
    if (opt.report)
        printf("connections=%ld messages=%ld bytes=%ld eof=%ld resets=%ld broken_pipe=%ld "
               "errors=%ld nameless=%ld\n",
               counts.connections, counts.messages, counts.bytes, counts.eof, counts.resets,
               counts.broken_pipe, counts.errors, counts.nameless);
    return 0;
}
