/*
 * client: request, reply, close, again and again: how fast, and what is left behind.
 *
 * It is the same program whether it closes plainly, aborts (SO_LINGER {1,0}) or asks the kernel
 * for FIN, then RST (TCP_LINGER2 -1) by itself: what a library does can be compared with what
 * the source could do. The request and the reply are those of legacy-server.
 */
#include "policy/histogram.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 256, MAX_PROCESSES = 256, MAX_OPEN = 200000 };

static struct {
    long port, hosts, connections, threads, processes, open, rate, sample_ms;
    double seconds;
    int insist, abort, linger2, hold, call_cost;
} opt = {.port = 7000,
         .hosts = 1,
         .connections = LONG_MAX,
         .threads = 1,
         .processes = 1,
         .seconds = 600};

/* Of all processes. */
static struct {
    _Atomic long connections, failed, errors;
} * made;
static struct histogram connect_ns, close_ns; /* since the last sample, where there are any */
static struct histogram late_connect_ns;      /* in the second half of the time */
static bool timed;
static double started, deadline, next_sample;
static int open_fds[MAX_OPEN];

static const char help[] =
    "Usage: client [OPTION]...\n"
    "Connects to a legacy-server --reply, sends a request, reads the reply, closes; repeats.\n"
    "\n"
    "  --port N          the server's port (default 7000), on 127.0.0.1\n"
    "  --hosts N         on 127.0.0.1 to 127.0.0.N, in turn (default 1)\n"
    "  --connections N   how many connections to make (default: no limit)\n"
    "  --seconds S       and for how long (default 600)\n"
    "  --threads N       that do so (default 1)\n"
    "  --processes N     each of which does (default 1)\n"
    "  --rate N          connections a second, each thread (default: no limit)\n"
    "  --insist          go on when no local port is free\n"
    "  --abort           SO_LINGER {1,0} before each close\n"
    "  --linger2         TCP_LINGER2 -1 before each connect\n"
    "  --open N          open N connections first, then close them all\n"
    "  --hold            having opened them, print holding=N and wait\n"
    "  --sample MS       print a line every MS ms: seconds, connections, failed, TIME_WAIT,\n"
    "                    connect's median, 99 % and most since the last line (us), resident\n"
    "                    KiB, open fds\n"
    "  --call-cost       print what a system call that does nothing takes, and a sendto()\n"
    "                    that fails, as empty= and send= (us), and end\n"
    "  --help            show this text\n"
    "\n"
    "At the end it prints: connections= failed= errors= seconds= per_second= cpu=; after "
    "--open\n"
    "or --sample close_p50_us= close_p99_us=; after --sample connect_p50_us= connect_p99_us=\n"
    "connect_p999_us=, of the second half of the time. Exit status: 0, 1 no memory, 2 bad "
    "usage.\n";

static double read_clock(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static uint64_t ns_since(double start)
{
    return (uint64_t)((now() - start) * 1e9);
}

static void wait_until(double time)
{
    double wait = time - now();
    if (wait > 0)
        nanosleep(&(struct timespec){.tv_sec = (time_t)wait,
                                     .tv_nsec = (long)((wait - (double)(time_t)wait) * 1e9)},
                  NULL);
}

/* --- options --- */

static double parse_number(const char *name, const char *text, double min, double max)
{
    char *end;
    double number = strtod(text, &end);
    if (end != text && *end == '\0' && number >= min && number <= max)
        return number;
    (void)fprintf(stderr, "client: --%s: '%s' is not a number from %.0f to %.0f\n", name, text,
                  min, max);
    exit(2);
}

static const struct number_option {
    const char *name;
    long *value;
    double min, max;
} numbers[] = {
    {"port", &opt.port, 1, 65535},
    {"hosts", &opt.hosts, 1, 250},
    {"connections", &opt.connections, 1, 1e9},
    {"threads", &opt.threads, 1, MAX_THREADS},
    {"processes", &opt.processes, 1, MAX_PROCESSES},
    {"open", &opt.open, 1, MAX_OPEN},
    {"rate", &opt.rate, 1, 1e6},
    {"sample", &opt.sample_ms, 1, 1e6},
};

enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

static void set_option(int letter)
{
    if (letter == '?')
        exit(2);
    if (letter == 'H') {
        (void)fputs(help, stdout);
        exit(0);
    }
    if (letter == 's')
        opt.seconds = parse_number("seconds", optarg, 0.001, 3600);
    if (letter >= 1 && letter <= NUMBERS) {
        const struct number_option *number = &numbers[letter - 1];
        *number->value = (long)parse_number(number->name, optarg, number->min, number->max);
    }
}

static void parse_options(int argc, char **argv)
{
    struct option known[NUMBERS + 8] = {
        {"seconds", required_argument, NULL, 's'},
        {"insist", no_argument, &opt.insist, 1},
        {"abort", no_argument, &opt.abort, 1},
        {"linger2", no_argument, &opt.linger2, 1},
        {"help", no_argument, NULL, 'H'},
        {"hold", no_argument, &opt.hold, 1},
        {"call-cost", no_argument, &opt.call_cost, 1},
    };
    for (int i = 0; i < NUMBERS; i++)
        known[7 + i] = (struct option){numbers[i].name, required_argument, NULL, i + 1};
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1)
        set_option(letter);
    if (optind < argc) {
        (void)fprintf(stderr, "client: unexpected argument '%s'\n", argv[optind]);
        exit(2);
    }
}

/* --- one connection --- */

static bool exchange(int fd)
{
    static const char request[] = {0, 0, 0, 4, 't', 'e', 's', 't'};
    char reply[sizeof request];
    size_t got = 0;
    if (write(fd, request, sizeof request) != (ssize_t)sizeof request)
        return false;
    while (got < sizeof reply) {
        ssize_t n = read(fd, reply + got, sizeof reply - got);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static void note_connect(double start)
{
    uint64_t ns = ns_since(start);
    histogram_add(&connect_ns, ns);
    if (start > started + opt.seconds / 2)
        histogram_add(&late_connect_ns, ns);
}

/* The n-th connection. Returns its fd, or -1. */
static int open_one(long n)
{
    struct sockaddr_in server = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)opt.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(n % opt.hosts)),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int without = -1;
    if (opt.linger2)
        setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &without, sizeof without);
    double start = timed ? now() : 0;
    int r = connect(fd, (struct sockaddr *)&server, sizeof server);
    if (timed)
        note_connect(start);
    if (r == 0) {
        made->connections++;
        made->errors += !exchange(fd);
        return fd;
    }
    made->failed++;
    close(fd);
    return -1;
}

static void close_one(int fd)
{
    struct linger abortive = {.l_onoff = 1, .l_linger = 0};
    double start = timed ? now() : 0;
    if (opt.abort)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &abortive, sizeof abortive);
    made->errors += close(fd) != 0;
    if (timed)
        histogram_add(&close_ns, ns_since(start));
}

/* --- samples --- */

/* The number after `name` in a file of /proc; -1 where it is not found. */
static long proc_number(const char *path, const char *name)
{
    char text[2048];
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    const char *found = strstr(text, name);
    return found ? strtol(found + strlen(name), NULL, 10) : -1;
}

static long count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    long count = -3; /* ".", "..", and its own */
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

static double us(struct histogram *histogram, unsigned percent)
{
    return (double)histogram_percentile(histogram, percent) / 1e3;
}

/* What so many in 1,000 do not exceed. */
static double late_us(uint64_t permille)
{
    uint64_t wanted = (late_connect_ns.count * permille + 999) / 1000, seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        if ((seen += late_connect_ns.buckets[i]) >= wanted)
            return (double)histogram_least(i) / 1e3;
    return 0;
}

static void sample(double time)
{
    if (opt.sample_ms == 0 || time < next_sample)
        return;
    printf("%.3f\t%ld\t%ld\t%ld\t%.1f\t%.1f\t%.1f\t%ld\t%ld\n", time - started,
           made->connections, made->failed, proc_number("/proc/self/net/sockstat", " tw "),
           us(&connect_ns, 50), us(&connect_ns, 99), us(&connect_ns, 100),
           proc_number("/proc/self/status", "VmRSS:"), count_fds());
    memset(&connect_ns, 0, sizeof connect_ns);
    next_sample = now() + (double)opt.sample_ms / 1e3;
}

/* --- the work --- */

/* Returns whether to go on. */
static bool repeat_one(long n)
{
    int fd = open_one(n);
    if (fd >= 0)
        close_one(fd);
    else if (!opt.insist)
        return false;
    else if (opt.rate == 0)
        wait_until(now() + 0.001);
    return true;
}

/* The thread's n-th connection is due; one that comes late puts off those that follow. */
static void await_turn(double *due)
{
    if (opt.rate == 0)
        return;
    wait_until(*due);
    double time = now();
    *due = (time > *due + 0.1 ? time : *due) + 1.0 / (double)opt.rate;
}

static void *repeat(void *not_first)
{
    double time = now(), due = time;
    long share = opt.connections / opt.threads / opt.processes;
    for (long n = 0; n < share && time < deadline; n++) {
        await_turn(&due);
        if (!repeat_one(n))
            break;
        if (opt.rate > 0 || timed || n % 16 == 0)
            time = now();
        if (not_first == NULL)
            sample(time);
    }
    return NULL;
}

static void repeat_in_threads(void)
{
    pthread_t threads[MAX_THREADS];
    long running = 1; /* this one */
    while (running < opt.threads && pthread_create(&threads[running], NULL, repeat, &opt) == 0)
        running++;
    repeat(NULL);
    while (--running > 0)
        pthread_join(threads[running], NULL);
}

static void repeat_in_processes(void)
{
    long others = 0;
    (void)fflush(stdout);
    while (others < opt.processes - 1) {
        pid_t child = fork();
        if (child == 0) {
            repeat_in_threads();
            _exit(0);
        }
        if (child < 0)
            break;
        others++;
    }
    repeat_in_threads();
    while (others-- > 0)
        wait(NULL);
}

static double cpu_time(void)
{
    struct rusage children;
    getrusage(RUSAGE_CHILDREN, &children);
    const struct timeval *user = &children.ru_utime, *system = &children.ru_stime;
    return read_clock(CLOCK_PROCESS_CPUTIME_ID) + (double)(user->tv_sec + system->tv_sec) +
           (double)(user->tv_usec + system->tv_usec) / 1e6;
}

/* Returns when the first was closed. */
static double open_then_close(void)
{
    long open = 0;
    while (open < opt.open && now() < deadline && (open_fds[open] = open_one(open)) >= 0)
        open++;
    if (opt.hold) {
        printf("holding=%ld\n", open);
        (void)fflush(stdout);
        wait_until(deadline);
    }
    double start = now();
    for (long i = 0; i < open; i++)
        close_one(open_fds[i]);
    return start;
}

enum { CALLS = 200000 };

/* One of CALLS (us). */
static double call_us(long number, long fd)
{
    double start = now();
    for (int i = 0; i < CALLS; i++)
        syscall(number, fd, NULL, 0, 0, NULL, 0);
    return (now() - start) * 1e6 / CALLS;
}

static void print_call_cost(void)
{
    printf("empty=%.3f send=%.3f\n", call_us(SYS_getppid, 0), call_us(SYS_sendto, -1));
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    if (opt.call_cost) {
        print_call_cost();
        return 0;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = opt.open > 0 ? files.rlim_max : files.rlim_cur;
    setrlimit(RLIMIT_NOFILE, &files);
    made = mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
        return 1;
    timed = opt.open > 0 || opt.sample_ms > 0;
    started = now();
    double cpu_before = cpu_time();
    deadline = started + opt.seconds;
    if (opt.open > 0)
        started = open_then_close();
    else
        repeat_in_processes();
    double seconds = now() - started;
    double cpu = cpu_time() - cpu_before;
    next_sample = 0;
    sample(now());
    printf("connections=%ld failed=%ld errors=%ld seconds=%.3f per_second=%.0f cpu=%.6f",
           made->connections, made->failed, made->errors, seconds,
           (double)made->connections / seconds, cpu);
    if (timed)
        printf(" close_p50_us=%.2f close_p99_us=%.2f", us(&close_ns, 50), us(&close_ns, 99));
    if (late_connect_ns.count > 0)
        printf(" connect_p50_us=%.1f connect_p99_us=%.1f connect_p999_us=%.1f", late_us(500),
               late_us(990), late_us(999));
    printf("\n");
    return 0;
}
