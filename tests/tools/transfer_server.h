/*
 * transfer's server: its ways with a connection, a thread for each, and its report.
 */
#ifndef TRANSFER_SERVER_H
#define TRANSFER_SERVER_H

#include "transfer.h"

/* --- the server's ways --- */

static void serve_to_end(struct conn *c)
{
    while (receive(c))
        ;
}

static void serve_once(struct conn *c)
{
    if (receive_message(c))
        end_by(c, CLOSED);
}

static void serve_reply(struct conn *c)
{
    if (!receive_message(c))
        return;
    (void)send_message(c, false, c->class);
    serve_to_end(c);
}

static void serve_streaming(struct conn *c)
{
    static const unsigned char zeros[STREAMED];

    (void)send_bytes(c, zeros, sizeof zeros);
    if (!receive_message(c))
        return;
    (void)send_bytes(c, zeros, sizeof zeros);
    end_by(c, CLOSED);
}

/* --- the server --- */

static struct conn *conns[MAX_CONNECTIONS];
static int conn_count;
static const struct mode *served;
static volatile sig_atomic_t ended;

static void on_signal(int sig)
{
    (void)sig;
    ended = 1;
}

static void *server_thread(void *argument)
{
    struct conn *c = argument;

    served->serve(c);
    (void)close(c->fd);
    return NULL;
}

static void accept_one(int listener)
{
    union address peer = {0};
    socklen_t size = sizeof peer;
    int fd = accept(listener, &peer.any, &size);
    struct conn *c;

    if (fd < 0)
        return;
    if (conn_count == MAX_CONNECTIONS || !(c = calloc(1, sizeof *c)))
        die("too many connections");
    c->fd = fd;
    c->port = ntohs(peer.v4.sin_port);
    c->request = served->request;
    conns[conn_count++] = c;
    spawn(server_thread, c);
}

static int state_of(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;

    (void)getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    return info.tcpi_state;
}

/* A connection that is open has its line: the client's port and the state's number. */
static void report_server(void)
{
    long sum[ENDS] = {0}, bytes = 0, completed = 0, corrupt = 0, unsent = 0;

    for (int i = 0; i < conn_count; i++) {
        const struct conn *c = conns[i];

        sum[c->end]++;
        bytes += (long)c->got;
        completed += complete(c);
        corrupt += c->corrupt;
        unsent += c->unsent;
        if (c->end == OPEN)
            printf("open port=%u state=%d got=%zu wanted=%zu\n", c->port, state_of(c->fd),
                   c->got, c->wanted);
    }
    printf("accepted=%d complete=%ld received=%ld corrupt=%ld cut_off=%ld eof=%ld reset=%ld "
           "timeout=%ld other=%ld closed=%ld open=%ld\n",
           conn_count, completed, bytes, corrupt, unsent, sum[SEEN_EOF], sum[SEEN_RESET],
           sum[SEEN_TIMEOUT], sum[SEEN_OTHER], sum[CLOSED], sum[OPEN]);
}

static int listen_at(int port)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    int fd = socket(AF_INET6, SOCK_STREAM, 0), off = 0;

    if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0 ||
        bind(fd, (void *)&at, sizeof at) != 0 || listen(fd, MAX_CONNECTIONS) != 0)
        die("listen");
    return fd;
}

static int run_server(int port)
{
    struct pollfd listener = {.fd = listen_at(port), .events = POLLIN};
    struct sigaction action = {.sa_handler = on_signal};
    time_t end = time(NULL) + seconds;

    (void)sigaction(SIGTERM, &action, NULL);
    puts("listen");
    (void)fflush(stdout);
    while (!ended && time(NULL) < end)
        if (poll(&listener, 1, 100) == 1)
            accept_one(listener.fd);
    report_server();
    (void)fflush(stdout);
    _exit(0);
}

#endif
