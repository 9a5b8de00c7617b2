/*
 * takeover: connections that carry a pattern of their own to an echo server and back, so that a
 * byte which is lost, or of another connection, is seen at both ends. The client closes first,
 * and its ports come again: by hand (an explicit bind to an own TIME_WAIT port, looked at by
 * sock_diag, of an age), or by connect() alone, where a preloaded library does the same.
 *
 * This file owns the client; takeover_server.h the server, takeover_ports.h the own ports.
 */
#include "takeover_ports.h"
#include "takeover_server.h"

#include <stdatomic.h>

enum { MAX_PARALLEL = 200, MAX_COUNT = 100000, SLOW_US = 500000 };

static struct {
    struct sockaddr_in to;
    long count, parallel, ports; /* ports: of each worker, 0: what the kernel gives */
    long seconds;
} job = {.parallel = 20, .seconds = 60};

static atomic_long started, failed, out_of_ports, corrupt, broken, recycled, finished;
static _Atomic(long) connect_us[MAX_COUNT];
static atomic_long connects;

/* --- a connection --- */

static long connect_timed(int fd)
{
    int64_t start = now();

    if (connect(fd, (struct sockaddr *)&job.to, sizeof job.to) != 0)
        return -1;
    return (long)(now() - start);
}

/* What has the ports, where the first connect() finds none: a line for whoever reads why. */
static void tell_states(void)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    enum { STATE = 34 }; /* its column, in hexadecimal */
    unsigned long count[16] = {0}, state;
    char line[256];
    FILE *table =
        atomic_flag_test_and_set(&told) ? NULL : fopen("/proc/thread-self/net/tcp", "r");

    if (!table)
        return;
    while (fgets(line, sizeof line, table))
        if (strlen(line) > STATE && (state = strtoul(line + STATE, NULL, 16)) < 16)
            count[state]++;
    (void)fclose(table);
    printf("no port, after %ld connections; sockets by state (tcp_states.h):", connects);
    for (state = 0; state < 16; state++)
        if (count[state])
            printf(" %lu:%lu", state, count[state]);
    printf("\n");
}

/* From a port of our own, where one is old enough; -1: no connection. */
static int dial(struct ports *own)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool bound = job.ports > 0 && bind_own(own, fd, &job.to, job.ports);
    long us = connect_timed(fd);

    if (us < 0) {
        if (errno == EADDRNOTAVAIL) {
            out_of_ports++;
            tell_states();
        }
        failed++;
        (void)close(fd);
        return -1;
    }
    recycled += bound;
    connect_us[connects++] = us;
    return fd;
}

/* Whether all of it came back, and then the end. */
static void exchange(int fd, uint32_t id)
{
    struct stream out = {.id = id, .length = length_of(id)}, back = {.fd = fd};

    out.fd = fd;
    if (!send_stream(&out))
        broken++;
    else if (!receive_stream(&back))
        broken += !back.corrupt;
    else
        finished += back.id == id;
    corrupt += back.corrupt || (back.length > 0 && back.id != id);
}

static void *work(void *argument)
{
    struct ports *own = argument;
    int64_t end = now() + job.seconds * 1000000;
    long i;

    while (now() < end && (i = started++) < job.count) {
        int fd = dial(own);

        if (fd < 0)
            continue;
        exchange(fd, (uint32_t)i + 1);
        note_own(own, fd);
        (void)close(fd);
    }
    return NULL;
}

/* --- the report --- */

static int by_size(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;

    return (x > y) - (x < y);
}

static void report(void)
{
    static long us[MAX_COUNT];
    long n = connects, slow = 0;

    for (long i = 0; i < n; i++) {
        us[i] = connect_us[i];
        slow += us[i] > SLOW_US;
    }
    qsort(us, (size_t)n, sizeof *us, by_size);
    printf("connected=%ld failed=%ld no_port=%ld finished=%ld corrupt=%ld broken=%ld "
           "recycled=%ld slow=%ld p50_us=%ld p90_us=%ld max_us=%ld\n",
           n, failed, out_of_ports, finished, corrupt, broken, recycled, slow,
           n ? us[n / 2] : 0, n ? us[n * 9 / 10] : 0, n ? us[n - 1] : 0);
}

static int run_client(void)
{
    static struct ports own[MAX_PARALLEL];
    pthread_t threads[MAX_PARALLEL];

    for (long i = 0; i < job.parallel; i++)
        if (pthread_create(&threads[i], NULL, work, &own[i]) != 0)
            die("pthread_create");
    for (long i = 0; i < job.parallel; i++)
        (void)pthread_join(threads[i], NULL);
    report();
    return 0;
}

/* --- start --- */

static _Noreturn void help(void)
{
    (void)fputs(
        "takeover server PORT\n"
        "takeover client ADDRESS PORT COUNT [OPTION...]\n"
        "  --parallel N   connections at once (20)\n"
        "  --ports N      by hand: each of them has so many ports, and takes them over\n"
        "  --age MS       of the TIME_WAIT entries that are taken over (1000)\n"
        "  --seconds N    begin none after that (60)\n"
        "The server reports at SIGTERM.\n",
        stderr);
    exit(2);
}

static void read_options(char **words)
{
    for (; *words; words += 2) {
        long value = words[1] ? strtol(words[1], NULL, 10) : -1;

        if (strcmp(*words, "--parallel") == 0 && value >= 1 && value <= MAX_PARALLEL)
            job.parallel = value;
        else if (strcmp(*words, "--ports") == 0 && value >= 0 && value <= MAX_OWN)
            job.ports = value;
        else if (strcmp(*words, "--age") == 0 && value >= 0)
            least_age_ms = value;
        else if (strcmp(*words, "--seconds") == 0 && value >= 0)
            job.seconds = value;
        else
            help();
    }
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "server") == 0)
        return run_server(argv[2]);
    if (argc < 5 || strcmp(argv[1], "client") != 0)
        help();
    job.to.sin_family = AF_INET;
    job.to.sin_port = htons((in_port_t)strtol(argv[3], NULL, 10));
    job.count = strtol(argv[4], NULL, 10);
    if (inet_pton(AF_INET, argv[2], &job.to.sin_addr) != 1 || job.count < 1 ||
        job.count > MAX_COUNT)
        help();
    read_options(argv + 5);
    return run_client();
}
