/*
 * lwip: a peer whose TCP is lwIP's, in this process, behind a TAP device. It follows a script
 * as tests/tools/act.c does, with the steps that `steps` below lists, and prints a line per
 * step: `PRECONFIGURED_TAPIF=tap1 lwip ADDRESS GATEWAY listen:7001 accept readall close`.
 */
#include <lwip/netif.h>
#include <lwip/sockets.h>
#include <lwip/sys.h>
#include <lwip/tcpip.h>
#include <netif/tapif.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct netif netif;
static ip4_addr_t address, mask, gateway;
static int listener = -1, fd = -1;
static char buffer[65536];

/* In lwIP's own thread. */
static void begin(void *arg)
{
    netif_add(&netif, &address, &mask, &gateway, NULL, tapif_init, tcpip_input);
    netif_set_default(&netif);
    netif_set_up(&netif);
    netif_set_link_up(&netif);
    sys_sem_signal(arg);
}

static void sleep_ms(long ms)
{
    usleep((useconds_t)ms * 1000);
}

/** The error's name, as act prints it; lwIP's numbers are Linux's. */
static const char *name_of(int error)
{
    return strerrorname_np(error);
}

/* A call that returns a number of bytes. */
static void print(const char *step, long n)
{
    if (n < 0)
        printf("%s -1 %s\n", step, name_of(errno));
    else
        printf("%s %ld\n", step, n);
}

/* --- the steps: each gets what stands behind its first and its second colon --- */

static void step_listen(long port, long unused)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = lwip_htons((uint16_t)port)};
    int on = 1;

    (void)unused;
    listener = lwip_socket(AF_INET, SOCK_STREAM, 0);
    lwip_setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (lwip_bind(listener, (struct sockaddr *)&at, sizeof(at)) || lwip_listen(listener, 64))
        exit(1);
    printf("listen %ld\n", port);
}

static void step_accept(long a, long b)
{
    (void)a, (void)b;
    fd = lwip_accept(listener, NULL, NULL);
    printf("accept %d\n", fd);
}

/** Reads `size` bytes at a time with pauses of `ms`, `limit` at most, and tells what ended it.
 */
static void read_some(const char *step, long size, long ms, long limit)
{
    long total = 0, n = 1;

    while (total < limit) {
        long want = size < limit - total ? size : limit - total;
        n = lwip_recv(fd, buffer, (size_t)want, 0);
        if (n <= 0)
            break;
        total += n;
        sleep_ms(ms);
    }
    printf("%s %ld%s%s\n", step, total, n > 0 ? "" : " ",
           n > 0    ? ""
           : n == 0 ? "EOF"
                    : name_of(errno));
}

static void step_readn(long n, long unused)
{
    (void)unused;
    read_some("readn", sizeof(buffer), 0, n);
}

static void step_readall(long a, long b)
{
    (void)a, (void)b;
    read_some("readall", sizeof(buffer), 0, 1L << 40);
}

static void step_readslow(long n, long ms)
{
    read_some("readslow", n, ms, 1L << 40);
}

static void step_write(long n, long unused)
{
    (void)unused;
    print("write", lwip_send(fd, buffer, (size_t)n, 0));
}

static void step_shutdown(long a, long b)
{
    (void)a, (void)b;
    print("shutdown", lwip_shutdown(fd, SHUT_WR));
}

static void step_close(long a, long b)
{
    (void)a, (void)b;
    print("close", lwip_close(fd));
}

static void step_sleep(long ms, long unused)
{
    (void)unused;
    sleep_ms(ms);
}

/* A connection that has been accepted is read to its end, then closed. */
static void *serve_one(void *arg)
{
    char own[256];
    int at = (int)(long)arg;

    while (lwip_recv(at, own, sizeof(own), 0) > 0) {
    }
    lwip_close(at);
    return NULL;
}

/* The same, but we close first, once it has sent something: TIME_WAIT is here. */
static void *serve_one_first(void *arg)
{
    char own[256];
    int at = (int)(long)arg;

    (void)lwip_recv(at, own, sizeof(own), 0);
    lwip_close(at);
    return NULL;
}

/* Serves many, each in a thread of its own. */
static void serve_with(void *(*one)(void *))
{
    for (;;) {
        pthread_t thread;
        long at = lwip_accept(listener, NULL, NULL);
        if (at >= 0 && pthread_create(&thread, NULL, one, (void *)at) == 0)
            pthread_detach(thread);
    }
}

static void step_serve(long a, long b)
{
    (void)a, (void)b;
    serve_with(serve_one);
}

static void step_serve_first(long a, long b)
{
    (void)a, (void)b;
    serve_with(serve_one_first);
}

static const struct {
    const char *name;
    void (*act)(long a, long b);
} steps[] = {
    {"listen", step_listen},
    {"accept", step_accept},
    {"readn", step_readn},
    {"readall", step_readall},
    {"readslow", step_readslow},
    {"write", step_write},
    {"shutdown", step_shutdown},
    {"close", step_close},
    {"sleep", step_sleep},
    {"serve", step_serve},
    {"serve-first", step_serve_first},
};

/* PATH[:MS]: without the limit. */
static void wait_file(const char *word)
{
    char path[4096];

    (void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(word, ":"), word);
    while (access(path, F_OK))
        sleep_ms(5);
}

/* say:TEXT and wait-file:PATH take text, the others numbers. */
static void follow(const char *word)
{
    char *end = NULL;
    size_t len = strcspn(word, ":");
    long a = word[len] ? strtol(word + len + 1, &end, 10) : 0;
    long b = end && *end == ':' ? strtol(end + 1, NULL, 10) : 0;

    if (strncmp(word, "say:", 4) == 0) {
        printf("say %s\n", word + 4);
        return;
    }
    if (strncmp(word, "wait-file:", 10) == 0) {
        wait_file(word + 10);
        return;
    }
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (strlen(steps[i].name) == len && strncmp(word, steps[i].name, len) == 0) {
            steps[i].act(a, b);
            return;
        }
    fprintf(stderr, "lwip: no step '%s'\n", word);
    exit(2);
}

int main(int argc, char **argv)
{
    sys_sem_t ready;

    if (argc < 4 || !ip4addr_aton(argv[1], &address) || !ip4addr_aton(argv[2], &gateway))
        return 2;
    ip4addr_aton("255.255.255.0", &mask);
    setvbuf(stdout, NULL, _IOLBF, 0);
    sys_sem_new(&ready, 0);
    tcpip_init(begin, &ready);
    sys_sem_wait(&ready);
    for (int i = 3; i < argc; i++)
        follow(argv[i]);
    sleep(60); /* what is still under way ends; whoever started us ends us */
    return 0;
}
