/*
 * race: what a program does to its fds without any order: threads that use each other's, and
 * exit() while others are at work.
 *
 * Nothing is checked here but that it survives: a library in between is watched by a sanitizer.
 * It knows nothing of the library: it is the host program.
 */
#include "stress.h"

#include <netinet/tcp.h>

#define THREADS   8
#define FIRST_FD  10 /* these numbers are everybody's */
#define COMMON    16
#define ENDS      4
#define BUSY_MS   3
#define EXIT_CODE 7

static int64_t deadline;

/* A step that any thread may do to any of the common fds; most of them fail. */
static void do_anything(int fd, uint64_t *seed)
{
    char buf[64] = {0};
    struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct linger linger = {.l_onoff = (int)roll(seed, 2), .l_linger = 1};
    int other = FIRST_FD + (int)roll(seed, COMMON);
    int made;
    switch (roll(seed, 14)) {
    case 0:
    case 1:
    case 2:
        if ((made = socket(AF_INET, SOCK_STREAM, 0)) >= 0) {
            dup2(made, fd);
            close(made);
        }
        break;
    case 3:
    case 4:
    case 5:
        (void)!connect(fd, (struct sockaddr *)&server_at, sizeof(server_at));
        break;
    case 6:
        (void)!connect(fd, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr));
        break;
    case 7:
        dup2(fd, other);
        break;
    case 8:
        shutdown(fd, (int)roll(seed, 3));
        break;
    case 9:
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        break;
    case 10:
        send(fd, buf, sizeof(buf), MSG_DONTWAIT);
        break;
    case 11:
        (void)!recvmsg(fd, &msg, MSG_DONTWAIT);
        break;
    case 12:
        close_range((unsigned)fd, (unsigned)(fd < other ? other : fd), 0);
        break;
    default:
        close(fd);
    }
}

static void *use_anything(void *argument)
{
    uint64_t seed = (uintptr_t)argument;
    while (now_ms() < deadline)
        do_anything(FIRST_FD + (int)roll(&seed, COMMON), &seed);
    return NULL;
}

static void race_numbers(void)
{
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, use_anything, (void *)(uintptr_t)(i + 1)) ==
                0);
    for (unsigned i = 0; i < THREADS; i++)
        REQUIRE(pthread_join(threads[i], NULL) == 0);
    REQUIRE(close_range(FIRST_FD, FIRST_FD + COMMON, 0) == 0);
}

/* Opens, uses and closes connections, and leaves some of them open, until the process ends. */
static void *use_for_ever(void *argument)
{
    uint64_t seed = (uintptr_t)argument;
    for (;;) {
        int fd = connected();
        exchange(fd, &seed);
        if (roll(&seed, 8) > 0)
            close_somehow(fd, &seed);
        if (roll(&seed, 8) == 0)
            use_file(&seed);
    }
    return NULL;
}

static void end_while_busy(unsigned how)
{
    pthread_t thread;
    for (uintptr_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&thread, NULL, use_for_ever, (void *)(i + 1)) == 0);
    nanosleep(&(struct timespec){.tv_nsec = BUSY_MS * 1000000L}, NULL);
    if (how == 0)
        exit(EXIT_CODE);
    if (how == 1)
        quick_exit(EXIT_CODE);
    if (how == 2)
        _exit(EXIT_CODE);
    abort();
}

static void race_exit(void)
{
    for (unsigned n = 0; now_ms() < deadline; n++) {
        int status;
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            signal(SIGABRT, SIG_DFL);
            end_while_busy(n % ENDS);
        }
        REQUIRE(waitpid(pid, &status, 0) == pid);
        if (n % ENDS == 3)
            REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        else
            REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CODE);
    }
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc != 3 || (strcmp(argv[1], "numbers") != 0 && strcmp(argv[1], "exit") != 0)) {
        fputs("usage: race numbers|exit MS\n", stderr);
        return 2;
    }
    pid_t server = start_server();
    deadline = now_ms() + strtol(argv[2], NULL, 10);
    if (strcmp(argv[1], "numbers") == 0)
        race_numbers();
    else
        race_exit();
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    printf("%s: survived\n", argv[1]);
    return 0;
}
