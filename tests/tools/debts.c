/*
 * debts: a client whose threads get in the way of a shutdown() and a close() in a row.
 *
 *   debts MODE PORT   to a server that answers each byte of a connection with one
 *
 * In each mode one thread has read its answer, calls shutdown(), and then close() perhaps:
 *   reader       while another one is blocked in recv() of the fd, and waits for its end
 *   poller       the same in poll()
 *   selector     the same in select()
 *   dup          after another one has made a copy of the fd
 *   cancel       and is cancelled by it
 *   reuse        another one closes the fd by fclose() instead, and connects again, on the same
 *                number: its connection is not to be shut down
 *   last-thread  and ends, the last thread of the process; main() has ended before
 * It prints what happened, and `end`. Ended by SIGALRM after 30 s.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in server = {.sin_family = AF_INET};
static int fd;
static _Atomic int step;

/* Without a libc call, which would be hooked. */
static void wait_for_step(int wanted)
{
    while (atomic_load(&step) < wanted)
        ;
}

static void wait_a_moment(void)
{
    struct timespec moment = {.tv_nsec = 60000000}; /* the peer's ACK is 44 ms late at most */

    (void)nanosleep(&moment, NULL);
}

/* A connection with an exchange that is over, and acknowledged. */
static int exchanged(void)
{
    int s = socket(AF_INET, SOCK_STREAM, 0);
    char answer;

    if (connect(s, (struct sockaddr *)&server, sizeof server) < 0 || write(s, "?", 1) != 1 ||
        read(s, &answer, 1) != 1) {
        perror("debts");
        exit(1);
    }
    wait_a_moment();
    return s;
}

static void *in_recv(void *unused)
{
    char byte;

    (void)unused;
    atomic_store(&step, 1);
    printf("recv %zd\n", recv(fd, &byte, 1, 0));
    return NULL;
}

static void *in_poll(void *unused)
{
    struct pollfd input = {.fd = fd, .events = POLLIN};

    (void)unused;
    atomic_store(&step, 1);
    printf("poll %d\n", poll(&input, 1, -1));
    return NULL;
}

static void *in_select(void *unused)
{
    fd_set input;

    (void)unused;
    FD_ZERO(&input);
    FD_SET(fd, &input);
    atomic_store(&step, 1);
    printf("select %d\n", select(fd + 1, &input, NULL, NULL, NULL));
    return NULL;
}

static void close_under(void *(*waiter)(void *))
{
    pthread_t thread;

    fd = exchanged();
    (void)pthread_create(&thread, NULL, waiter, NULL);
    wait_for_step(1);
    wait_a_moment();
    printf("shutdown %d\n", shutdown(fd, SHUT_RDWR));
    printf("close %d\n", close(fd));
    (void)pthread_join(thread, NULL);
}

static void *copy(void *unused)
{
    (void)unused;
    wait_for_step(1);
    printf("dup %s\n", dup(fd) < 0 ? "failed" : "made");
    atomic_store(&step, 2);
    return NULL;
}

static void close_one_of_two(void)
{
    pthread_t thread;

    fd = exchanged();
    (void)pthread_create(&thread, NULL, copy, NULL);
    (void)shutdown(fd, SHUT_WR);
    atomic_store(&step, 1);
    wait_for_step(2);
    (void)close(fd);
    (void)pthread_join(thread, NULL);
}

static void *cancelled(void *unused)
{
    int before;

    (void)unused;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    (void)shutdown(fd, SHUT_WR);
    (void)pthread_cancel(pthread_self());
    (void)pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
    (void)close(fd);
    return NULL;
}

static void cancel(void)
{
    pthread_t thread;
    void *result;

    fd = exchanged();
    (void)pthread_create(&thread, NULL, cancelled, NULL);
    (void)pthread_join(thread, &result);
    printf("%s\n", result == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
    wait_a_moment();
}

static void *close_and_connect(void *unused)
{
    FILE *stream = fdopen(fd, "r+");
    int again;

    (void)unused;
    atomic_store(&step, 1);
    wait_for_step(2);
    if (!stream || fclose(stream) != 0)
        perror("fclose");
    again = exchanged();
    printf("%s fd\n", again == fd ? "same" : "other");
    printf("write %zd\n", write(again, "?", 1));
    return NULL;
}

static void reuse(void)
{
    pthread_t thread;

    fd = exchanged();
    (void)pthread_create(&thread, NULL, close_and_connect, NULL);
    wait_for_step(1);
    (void)shutdown(fd, SHUT_WR);
    atomic_store(&step, 2);
    (void)pthread_join(thread, NULL);
}

static void *last_thread(void *unused)
{
    int s = exchanged();

    (void)unused;
    (void)shutdown(s, SHUT_WR);
    (void)close(s);
    puts("end");
    return NULL;
}

static _Noreturn void leave_one_thread(void)
{
    pthread_t thread;

    (void)pthread_create(&thread, NULL, last_thread, NULL);
    pthread_exit(NULL);
}

static void run(const char *mode)
{
    if (strcmp(mode, "reader") == 0)
        close_under(in_recv);
    else if (strcmp(mode, "poller") == 0)
        close_under(in_poll);
    else if (strcmp(mode, "selector") == 0)
        close_under(in_select);
    else if (strcmp(mode, "dup") == 0)
        close_one_of_two();
    else if (strcmp(mode, "cancel") == 0)
        cancel();
    else if (strcmp(mode, "reuse") == 0)
        reuse();
    else if (strcmp(mode, "last-thread") == 0)
        leave_one_thread();
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: debts MODE PORT\n");
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(30);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    run(argv[1]);
    puts("end");
    return 0;
}
