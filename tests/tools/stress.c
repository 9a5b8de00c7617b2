/*
 * stress: uses TCP connections and files in the ways that a library in between might not
 * survive.
 *
 * Every byte, result and errno is checked; what goes wrong ends the program with a message and
 * status 1. It knows nothing of the library: it is the host program.
 */
#include "stress.h"

#define THREADS 32

static int64_t deadline;
static _Atomic bool done;
/* Threads that have ended, and are not joined, are leaks to ThreadSanitizer in a child: so none
 * ends before the last fork. */
static _Atomic bool forks;

static unsigned open_fds(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* threads: 32 of them, connections and files at once. */

static void *use_all(void *argument)
{
    uint64_t seed = (uintptr_t)argument;
    while (now_ms() < deadline || forks) {
        if (roll(&seed, 4) == 0) {
            use_file(&seed);
            continue;
        }
        int fd = connected();
        for (unsigned n = roll(&seed, 3); n > 0; n--)
            exchange(fd, &seed);
        close_somehow(fd, &seed);
    }
    return NULL;
}

static void start_threads(pthread_t *threads, unsigned count, void *(*run)(void *))
{
    for (unsigned i = 0; i < count; i++)
        REQUIRE(pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)(i + 1)) == 0);
}

static void join_threads(pthread_t *threads, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        REQUIRE(pthread_join(threads[i], NULL) == 0);
}

static void stress_threads(void)
{
    pthread_t threads[THREADS];
    start_threads(threads, THREADS, use_all);
    join_threads(threads, THREADS);
}

/* fork: the same, while the process forks; each child closes its copies and ends. */

static void fork_and_wait(uint64_t *seed)
{
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        for (int fd = 3; fd < 256; fd++)
            close(fd);
        int fd = connected();
        exchange(fd, seed);
        close_somehow(fd, seed);
        _exit(0);
    }
    int status;
    REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
}

static void stress_fork(void)
{
    pthread_t threads[THREADS];
    uint64_t seed = 99;
    forks = true;
    start_threads(threads, 8, use_all);
    while (now_ms() < deadline)
        fork_and_wait(&seed);
    forks = false;
    join_threads(threads, 8);
}

/* signals: handlers that close, read, write, dup2, shut down and fork, at any point. */

#define HANDLER_FDS 4
#define ENOUGH      100 /* signals; where they come slowly, wait for them */
#define PATIENCE_MS 30000
static volatile int handler_fds[HANDLER_FDS]; /* for the handler to close; -1 where it did */
static int handler_pipe[2];
static _Atomic long handled;
static uint64_t handler_seed = 7;

static void handler_forks(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    int status = 0;
    REQUIRE(pid < 0 || (waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3));
}

static void handler_closes(unsigned which, unsigned how)
{
    int fd = handler_fds[which];
    if (fd < 0)
        return;
    handler_fds[which] = -1;
    if (how == 0)
        REQUIRE(shutdown(fd, SHUT_WR) == 0);
    if (how == 1)
        REQUIRE(dup2(handler_pipe[0], fd) == fd);
    REQUIRE(close(fd) == 0);
}

static void handle(int number)
{
    (void)number;
    int saved = errno;
    char c = 'x';
    atomic_fetch_add(&handled, 1);
    handler_closes(roll(&handler_seed, HANDLER_FDS), roll(&handler_seed, 4));
    REQUIRE(write(handler_pipe[1], &c, 1) == 1 && read(handler_pipe[0], &c, 1) == 1);
    if (roll(&handler_seed, 50) == 0)
        handler_forks();
    errno = saved;
}

static void fill_handler_fds(const sigset_t *alarms, uint64_t *seed)
{
    for (int i = 0; i < HANDLER_FDS; i++) {
        if (handler_fds[i] >= 0)
            continue;
        int fd = connected();
        exchange(fd, seed);
        sigprocmask(SIG_BLOCK, alarms, NULL);
        handler_fds[i] = fd;
        sigprocmask(SIG_UNBLOCK, alarms, NULL);
    }
}

static bool more_signals(void)
{
    int64_t now = now_ms();
    return now < deadline || (atomic_load(&handled) <= ENOUGH && now < deadline + PATIENCE_MS);
}

static void stress_signals(void)
{
    uint64_t seed = 5;
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    REQUIRE(pipe(handler_pipe) == 0);
    for (int i = 0; i < HANDLER_FDS; i++)
        handler_fds[i] = -1;
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 300}, {0, 300}};
    setitimer(ITIMER_REAL, &often, NULL);
    while (more_signals()) {
        fill_handler_fds(&alarms, &seed);
        int fd = connected();
        exchange(fd, &seed);
        close_somehow(fd, &seed);
        use_file(&seed);
    }
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    for (unsigned i = 0; i < HANDLER_FDS; i++)
        handler_closes(i, 3);
    close(handler_pipe[0]);
    close(handler_pipe[1]);
    REQUIRE(atomic_load(&handled) > ENOUGH);
}

/* race: one thread reads while another closes the same fd: any result that libc may give. */

static _Atomic int raced = -1;

static void *read_raced(void *unused)
{
    (void)unused;
    char c;
    while (!atomic_load(&done)) {
        int fd = atomic_load(&raced);
        if (fd >= 0)
            (void)!recv(fd, &c, 1, MSG_DONTWAIT);
    }
    return NULL;
}

static void stress_race(void)
{
    pthread_t readers[4];
    uint64_t seed = 11;
    start_threads(readers, 4, read_raced);
    while (now_ms() < deadline) {
        int fd = connected();
        atomic_store(&raced, fd);
        char c = 'x';
        REQUIRE(write(fd, &c, 1) == 1);
        if (roll(&seed, 2))
            sched_yield();
        REQUIRE(close(fd) == 0);
        atomic_fetch_add(&exchanges, 1);
    }
    atomic_store(&done, true);
    join_threads(readers, 4);
}

/* cancel: threads are cancelled while they are blocked in a hooked call. */

static void close_argument(void *fd)
{
    close((int)(intptr_t)fd);
}

static void *blocked(void *argument)
{
    unsigned how = (unsigned)(uintptr_t)argument;
    struct iovec iov = {.iov_base = &how, .iov_len = sizeof(how)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    int fd = connected();
    pthread_cleanup_push(close_argument, (void *)(intptr_t)fd);
    switch (how % 4) {
    case 0:
        (void)!read(fd, &how, sizeof(how));
        break;
    case 1:
        (void)!recv(fd, &how, sizeof(how), 0);
        break;
    case 2:
        (void)!recvmsg(fd, &msg, 0);
        break;
    default:
        for (;;)
            REQUIRE(close(connected()) == 0);
    }
    bool cancelled = false; /* it came back */
    REQUIRE(cancelled);
    pthread_cleanup_pop(1);
    return NULL;
}

static void stress_cancel(void)
{
    pthread_t threads[8];
    while (now_ms() < deadline) {
        void *result;
        start_threads(threads, 8, blocked);
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
        for (int i = 0; i < 8; i++)
            REQUIRE(pthread_cancel(threads[i]) == 0);
        for (int i = 0; i < 8; i++) {
            REQUIRE(pthread_join(threads[i], &result) == 0);
            REQUIRE(result == PTHREAD_CANCELED);
        }
        atomic_fetch_add(&exchanges, 8);
    }
}

static const struct mode {
    const char *name;
    void (*run)(void);
    unsigned lost_fds; /* an fd that is lost where a thread was cancelled before it had it */
} modes[] = {
    {"threads", stress_threads, 0}, {"fork", stress_fork, 0},
    {"signals", stress_signals, 0}, {"race", stress_race, 0},
    {"cancel", stress_cancel, 1},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 3 && i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(argv[1], modes[i].name) != 0)
            continue;
        signal(SIGPIPE, SIG_IGN);
        pid_t server = start_server();
        unsigned before = open_fds();
        deadline = now_ms() + strtol(argv[2], NULL, 10);
        modes[i].run();
        REQUIRE(modes[i].lost_fds || open_fds() == before);
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
        printf("%s: %ld exchanges, all as they should be\n", argv[1], atomic_load(&exchanges));
        return 0;
    }
    fputs("usage: stress threads|fork|signals|race|cancel MS\n", stderr);
    return 2;
}
