/*
 * peers: many connections at once, each an end that follows the same script; what its calls
 * returned is a line per connection. For what a peer can tell of our close, 100 of 100 times.
 *
 * A thread per connection, blocking calls. Unlike act, whose lines belong to one connection, a
 * line here is a connection's whole story, so that equal stories can be counted by `uniq -c`.
 * This file holds the list of steps and the threads; peers_steps.h the steps.
 */
#include "peers_steps.h"

#include <signal.h>

enum { MAX_STEPS = 64, MAX_CONNECTIONS = 1000, STACK = 256 * 1024, TIME_LIMIT_S = 120 };

static const struct verb verbs[] = {
    {"sleep:MS", step_sleep, "nanosleep() (silent)"},
    {"fin", step_fin, "poll() until the other end's FIN or RST has come (silent)"},
    {"sync:PATH", step_sync, "make the file (silent)"},
    {"wait-file:PATH", step_wait_file, "until the file exists (silent)"},
    {"wait-unread:N", step_wait_unread, "until SIOCINQ is N or more (silent)"},
    {"wait-state:N", step_wait_state, "until TCP_INFO says state N (silent)"},
    {"peername", step_peername, "getpeername()"},
    {"sockname", step_sockname, "getsockname()"},
    {"error", step_error, "getsockopt(SO_ERROR)"},
    {"info", step_info, "TCP_INFO: the state's number"},
    {"queues", step_queues, "SIOCINQ and SIOCOUTQ"},
    {"poll", step_poll, "poll() that does not wait: its events"},
    {"epoll", step_epoll, "the same by epoll_wait()"},
    {"select", step_select, "the same by select(): r, w"},
    {"nodelay", step_nodelay, "setsockopt(TCP_NODELAY)"},
    {"keepalive", step_keepalive, "setsockopt(SO_KEEPALIVE)"},
    {"linger:S", step_linger, "setsockopt(SO_LINGER), on"},
    {"peek:N", step_peek, "recv(MSG_PEEK)"},
    {"read:N", step_read, "read()"},
    {"readn:N", step_readn, "read() until N bytes"},
    {"readall", step_readall, "read() to the end or an error"},
    {"splice:N", step_splice, "splice() from the socket into a pipe"},
    {"write:N", step_write, "write()"},
    {"sendfile:N", step_sendfile, "sendfile()"},
    {"splice-out:N", step_splice_out, "splice() from a pipe into the socket"},
    {"shutdown:HOW", step_shutdown, "shutdown(): 0, 1 or 2, as SHUT_RD, SHUT_WR, SHUT_RDWR"},
    {"close", step_close, "close()"},
};

enum { VERBS = sizeof verbs / sizeof verbs[0] };

static struct step steps[MAX_STEPS];
static int step_count;

static _Noreturn void help(int status)
{
    FILE *out = status ? stderr : stdout;

    (void)fputs(
        "peers listen:PORT COUNT [after:PATH] STEP...\n"
        "peers connect:PORT COUNT STEP...\n"
        "COUNT connections at once on 127.0.0.1, with these steps each. `after` accepts\n"
        "nothing until the file exists. Prints `listen`, and a line per connection:\n"
        "what the steps' calls returned, or their errors' names.\n\n",
        out);
    for (int i = 0; i < VERBS; i++)
        (void)fprintf(out, "  %-16s %s\n", verbs[i].usage, verbs[i].help);
    exit(status);
}

/* --- the script --- */

static struct step read_step(const char *word)
{
    size_t length = strcspn(word, ":");

    for (int i = 0; i < VERBS; i++)
        if (strcspn(verbs[i].usage, ":") == length &&
            strncmp(verbs[i].usage, word, length) == 0 &&
            !verbs[i].usage[length] == !word[length])
            return (struct step){&verbs[i], word[length] ? word + length + 1 : ""};
    (void)fprintf(stderr, "peers: no step '%s'\n", word);
    help(2);
}

static void read_steps(char **words)
{
    for (; *words; words++) {
        if (step_count == MAX_STEPS)
            help(2);
        steps[step_count++] = read_step(*words);
    }
}

/* --- the connections --- */

static void *follow(void *argument)
{
    struct peer *p = argument;

    for (int i = 0; i < step_count; i++)
        steps[i].verb->run(p, steps[i].argument);
    return NULL;
}

static struct sockaddr_in address_of(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((in_port_t)strtol(port, NULL, 10)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int listen_at(const char *port)
{
    struct sockaddr_in at = address_of(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, MAX_CONNECTIONS) != 0)
        die("listen");
    puts("listen");
    (void)fflush(stdout);
    return fd;
}

static int connect_to(const char *port)
{
    struct sockaddr_in to = address_of(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    return fd;
}

/* Each begins its steps as soon as it is connected. */
static void run(int listener, const char *port, int count)
{
    static struct peer peers[MAX_CONNECTIONS];
    pthread_attr_t attributes;

    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK);
    for (int i = 0; i < count; i++) {
        peers[i].fd = listener < 0 ? connect_to(port) : accept(listener, NULL, NULL);
        if (peers[i].fd < 0)
            die("accept");
        if (pthread_create(&peers[i].thread, &attributes, follow, &peers[i]) != 0)
            die("pthread_create");
    }
    for (int i = 0; i < count; i++) {
        (void)pthread_join(peers[i].thread, NULL);
        puts(peers[i].story);
    }
}

int main(int argc, char **argv)
{
    int listener = -1, count = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
    const char *port = argc > 2 ? strchr(argv[1], ':') : NULL;

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        help(0);
    if (!port || count < 1 || count > MAX_CONNECTIONS)
        help(2);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(TIME_LIMIT_S);
    if (strncmp(argv[1], "listen:", 7) == 0)
        listener = listen_at(port + 1);
    argv += 3;
    if (*argv && strncmp(*argv, "after:", 6) == 0)
        step_wait_file(NULL, *argv++ + 6);
    read_steps(argv);
    run(listener, port + 1, count);
    return 0;
}
