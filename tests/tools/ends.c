/*
 * ends: `ends PORT WAY` sends 200,000 bytes over each of three connections and ends at once,
 * without a close. WAY is one of the table's names.
 */
#include "raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 3, BYTES = 200000, REQUEST = 1000, BUSY_THREADS = 4, BUSY_MS = 20 };

static struct sockaddr_in server = {.sin_family = AF_INET};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(2);
}

/* Close-on-exec, as most programs have it. */
static int connected(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&server, sizeof server) < 0)
        die("connect");
    return fd;
}

static void send_all(int fd, size_t n)
{
    static char bytes[BYTES];

    for (size_t sent = 0; sent < n;) {
        ssize_t r = write(fd, bytes, n - sent);

        if (r <= 0)
            die("write");
        sent += (size_t)r;
    }
}

static void *send_by_all(void *unused)
{
    (void)unused;
    for (int i = 0; i < CONNECTIONS; i++)
        send_all(connected(), BYTES);
    return NULL;
}

/* --- the ways to end --- */

static void by_return(void)
{
}

static void by_exit(void)
{
    exit(0);
}

static void by_quick_exit(void)
{
    quick_exit(0);
}

static void by__exit(void)
{
    _exit(0);
}

static void by__Exit(void)
{
    _Exit(0);
}

/* Go's and other runtimes' way: around libc. */
static void by_exit_group(void)
{
    raw_syscall(SYS_exit_group, 0);
}

static void by_number(void)
{
    syscall(SYS_exit_group, 0);
}

static void by_abort(void)
{
    abort();
}

static void by_signal(int number)
{
    signal(number, SIG_DFL);
    raise(number);
}

static void by_kill(void)
{
    by_signal(SIGKILL);
}

static void by_term(void)
{
    by_signal(SIGTERM);
}

static void by_segv(void)
{
    volatile int *volatile nowhere = NULL;

    signal(SIGSEGV, SIG_DFL);
    /* cppcheck-suppress nullPointer */
    *nowhere = 1; /* NOLINT: what is tested */
}

static void exit_handler(int number)
{
    (void)number;
    _exit(0);
}

static void by_handler(void)
{
    signal(SIGTERM, exit_handler);
    raise(SIGTERM);
}

static void *exit_in_thread(void *unused)
{
    (void)unused;
    exit(0);
}

static void by_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, exit_in_thread, NULL) != 0)
        die("pthread_create");
    for (;;)
        pause();
}

/* The last thread's end is the process's, with status 0 (pthread_exit(3)). */
static void *outlive_main(void *main_thread)
{
    pthread_join(*(pthread_t *)main_thread, NULL);
    send_by_all(NULL);
    pthread_exit(NULL);
}

static void by_last_thread(void)
{
    static pthread_t self;
    pthread_t thread;

    self = pthread_self();
    if (pthread_create(&thread, NULL, outlive_main, &self) != 0)
        die("pthread_create");
    pthread_detach(thread);
    pthread_exit(NULL);
}

static void by_exec(void)
{
    execlp("true", "true", (char *)NULL);
    die("execlp");
}

/* The connections are still there and work. */
static void by_failed_exec(void)
{
    setenv("PATH", "/nowhere:/dev/null:/proc", 1);
    execlp("no such program", "no such program", (char *)NULL);
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
        die("execlp");
    send_by_all(NULL);
    exit(0);
}

/* Requests by short connections, until the process ends. */
static void *be_busy(void *unused)
{
    (void)unused;
    for (;;) {
        int fd = connected();

        send_all(fd, REQUEST);
        if (close(fd) < 0)
            die("close");
    }
}

static void by_busy(void)
{
    pthread_t thread;

    for (int i = 0; i < BUSY_THREADS; i++)
        if (pthread_create(&thread, NULL, be_busy, NULL) != 0)
            die("pthread_create");
    nanosleep(&(struct timespec){.tv_nsec = BUSY_MS * 1000000L}, NULL);
    exit(0);
}

static const struct way {
    const char *name;
    void (*end)(void);
    bool sends_itself;
} ways[] = {
    {"return", by_return, false},
    {"exit", by_exit, false},
    {"quick_exit", by_quick_exit, false},
    {"_exit", by__exit, false},
    {"_Exit", by__Exit, false},
    {"exit_group", by_exit_group, false},
    {"number", by_number, false},
    {"abort", by_abort, false},
    {"KILL", by_kill, false},
    {"TERM", by_term, false},
    {"SEGV", by_segv, false},
    {"handler", by_handler, false},
    {"thread", by_thread, false},
    {"last-thread", by_last_thread, true},
    {"exec", by_exec, false},
    {"failed-exec", by_failed_exec, true},
    {"busy", by_busy, true},
};

int main(int argc, char **argv)
{
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; argc == 3 && i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(argv[2], ways[i].name) != 0)
            continue;
        server.sin_port = htons((uint16_t)strtol(argv[1], NULL, 10));
        if (!ways[i].sends_itself)
            send_by_all(NULL);
        ways[i].end();
        return 0;
    }
    fputs("usage: ends PORT WAY\n", stderr);
    return 2;
}
