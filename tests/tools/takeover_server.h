/* takeover's server: gives each stream back, and reads to the end, where nothing more may come.
 */
#ifndef TAKEOVER_SERVER_H
#define TAKEOVER_SERVER_H

#include "takeover_stream.h"
#include "until_term.h"

#include <poll.h>
#include <stdatomic.h>

static atomic_long accepted, served, served_corrupt, served_broken, served_twice;
static _Atomic unsigned char seen_ids[1 << 17];

/* An id comes once: a second time, it is an old connection's bytes. */
static void serve_stream(struct stream *s)
{
    char more;

    if (!receive_stream(s)) {
        served_corrupt += s->corrupt;
        served_broken += !s->corrupt;
        return;
    }
    served_twice += seen_ids[s->id % (1 << 17)]++ > 0;
    if (!send_stream(s) || read(s->fd, &more, 1) != 0)
        served_broken++;
    else
        served++;
}

static void *serve(void *argument)
{
    struct stream s = {.fd = (int)(intptr_t)argument};

    serve_stream(&s);
    (void)close(s.fd);
    return NULL;
}

static void accept_one(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    pthread_attr_t attributes;
    pthread_t thread;

    if (fd < 0)
        return;
    accepted++;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, (size_t)128 * 1024);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd) != 0)
        die("pthread_create");
}

static int run_server(const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((in_port_t)strtol(port, NULL, 10))};
    sigset_t unblocked = hold_signals();
    struct pollfd one = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                         .events = POLLIN};

    if (bind(one.fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(one.fd, 1000) != 0)
        die("listen");
    puts("listen");
    (void)fflush(stdout);
    while (!ended)
        if (ppoll(&one, 1, NULL, &unblocked) == 1)
            accept_one(one.fd);
    printf("accepted=%ld served=%ld served_corrupt=%ld served_broken=%ld served_twice=%ld\n",
           accepted, served, served_corrupt, served_broken, served_twice);
    (void)fflush(stdout);
    _exit(0);
}

#endif
