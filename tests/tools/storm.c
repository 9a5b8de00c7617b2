/*
 * storm: processes that come and go, and connect: `storm PORT CONNECTIONS PROCESSES [SEED]`.
 *
 * Each process is made by fork, by vfork and exec, or by fork and exec, has two threads that
 * connect, write, read and close, and gets a signal every ms, whose handler has SA_RESTART in
 * every other process; in those without, calls that say EINTR are made again, as connect(2)
 * wants it. Of each seven that it starts the parent kills one that runs: which, and when, comes
 * from the seed, which it prints first (`storm: seed=N`; without SEED it is the time). When all
 * connections are made it prints `storm: connections=N killed=N failed=N interrupted=N`, failed
 * being those that connect() refused for any reason but a signal, interrupted the calls that
 * said EINTR. The exit status is 0 where none failed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EACH    20    /* connections of a thread */
#define RUNNING 64    /* processes at once, at most */
#define LATE_US 10000 /* a process is killed within that time */

/* Shared with the children: in a file that exec leaves open. */
static struct counts {
    _Atomic long connections, failed, interrupted;
} * counts;
static int counts_fd, port, restarts;

static void handler(int signal)
{
    (void)signal;
}

static int number(const char *word)
{
    return (int)strtol(word, NULL, 10);
}

static int is_interrupted(long result)
{
    if (result >= 0 || errno != EINTR)
        return 0;
    atomic_fetch_add(&counts->interrupted, 1);
    return 1;
}

/* Once more: what has begun goes on (EALREADY, or EISCONN once it is there), what has not
 * begins.
 */
static int connect_through(int fd, const struct sockaddr_in *addr)
{
    int result;
    do
        result = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
    while (is_interrupted(result));
    return result != 0 && errno == EISCONN ? 0 : result;
}

static int exchange(int fd)
{
    char byte = 'x';
    long result;
    do
        result = write(fd, &byte, 1);
    while (is_interrupted(result));
    if (result != 1)
        return 0;
    do
        result = read(fd, &byte, 1);
    while (is_interrupted(result));
    return result == 1;
}

static void connect_once(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect_through(fd, &addr) != 0) {
        atomic_fetch_add(&counts->failed, 1);
        fprintf(stderr, "storm: connect: %s\n", strerror(errno));
    } else if (exchange(fd)) {
        atomic_fetch_add(&counts->connections, 1);
    }
    close(fd);
}

static void *connect_all(void *unused)
{
    for (int i = 0; i < EACH; i++)
        connect_once();
    return unused;
}

static _Noreturn void work(void)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = restarts ? SA_RESTART : 0};
    struct itimerval timer = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000};
    pthread_t thread;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    if (pthread_create(&thread, NULL, connect_all, NULL) != 0)
        _exit(1);
    connect_all(NULL);
    pthread_join(thread, NULL);
    _exit(0);
}

static void map_counts(void)
{
    counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, counts_fd, 0);
    if (counts == MAP_FAILED)
        exit(1);
}

static pid_t start_process(unsigned how)
{
    char port_text[16], fd_text[16], restarts_text[2] = {how % 2 ? '1' : '0'};
    char *argv[] = {"storm", "--work", port_text, fd_text, restarts_text, NULL};
    snprintf(port_text, sizeof(port_text), "%d", port);
    snprintf(fd_text, sizeof(fd_text), "%d", counts_fd);
    pid_t pid = how % 3 == 1 ? vfork() : fork(); /* NOLINT: what is tried */
    if (pid != 0)
        return pid;
    restarts = how % 2;
    if (how % 3 == 0)
        work();
    execv("/proc/self/exe", argv);
    _exit(1);
}

/* What runs, and what the next numbers are drawn from. */
static pid_t running[RUNNING];
static unsigned count, seed;

static unsigned draw(unsigned below)
{
    return (unsigned)rand_r(&seed) % below;
}

static void forget(pid_t pid)
{
    for (unsigned i = 0; i < count; i++)
        if (running[i] == pid)
            running[i--] = running[--count];
}

/** Of each seven one; it may have ended by itself. */
static long kill_one(unsigned number)
{
    static unsigned victim;
    if (number % 7 == 0)
        victim = number + draw(7);
    if (number != victim || count == 0)
        return 0;
    usleep(draw(LATE_US));
    return kill(running[draw(count)], SIGKILL) == 0;
}

/** Returns how many were killed. */
static long storm(long connections, unsigned processes)
{
    long killed = 0;
    for (unsigned number = 0; count > 0 || atomic_load(&counts->connections) < connections;) {
        if (count == processes || atomic_load(&counts->connections) >= connections) {
            forget(wait(NULL));
            continue;
        }
        pid_t pid = start_process(number);
        if (pid > 0)
            running[count++] = pid;
        killed += kill_one(number++);
    }
    return killed;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--work") == 0) {
        port = number(argv[2]);
        counts_fd = number(argv[3]);
        restarts = number(argv[4]);
        map_counts();
        work();
    }
    unsigned processes = argc == 4 || argc == 5 ? (unsigned)number(argv[3]) : 0;
    if (processes < 1 || processes > RUNNING)
        return 2;
    seed = argc == 5 ? (unsigned)number(argv[4]) : (unsigned)time(NULL);
    printf("storm: seed=%u\n", seed);
    fflush(stdout); /* before the first fork, and for one that hangs */
    port = number(argv[1]);
    counts_fd = memfd_create("counts", 0);
    if (counts_fd < 0 || ftruncate(counts_fd, sizeof(*counts)) != 0)
        return 1;
    map_counts();
    long killed = storm(number(argv[2]), processes);
    printf("storm: connections=%ld killed=%ld failed=%ld interrupted=%ld\n",
           atomic_load(&counts->connections), killed, atomic_load(&counts->failed),
           atomic_load(&counts->interrupted));
    return atomic_load(&counts->failed) > 0;
}
