/*
 * inside: what a program does to itself that its libraries must bear: `inside MODE PORT [WAY]`,
 * with a server on PORT.
 *
 * vfork, clone, beside: a child that runs in its parent's memory does WAY to the fd of a
 * connection of the parent. sealed: the program installs a filter (WAY: prctl, syscall, bare,
 * probe) that kills it at any call but its own, bare: which sets no option, either. zygote: so
 * does a child that clone() or (WAY: number) syscall() made as fork() does, whose other threads
 * go on, and that forks (WAY: open: without a filter). jump, cancel: a close() that waits is
 * left by siglongjmp() (WAY: what closes), or by pthread_cancel() (WAY: linger: it waits since
 * the program says so). meanwhile: while a thread
 * waits in close() (WAY: close_range()), another one installs a filter for all. It is the host
 * program, and knows nothing of the library.
 */
#include "asleep.h"
#include "inside_filter.h"
#include "pass.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *way;
static struct sockaddr_in server;
static int fd, listener;
static _Atomic bool parent_went_on;

static int connected(void)
{
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(made, (struct sockaddr *)&server, sizeof(server)) != 0)
        perror("connect");
    return made;
}

/* --- vfork, clone --- */

/* To a listener of the parent's. */
static int connect_to_self(void)
{
    struct sockaddr_in self;
    socklen_t len = sizeof(self);
    getsockname(listener, (struct sockaddr *)&self, &len);
    int made = socket(AF_INET, SOCK_STREAM, 0);
    return connect(made, (struct sockaddr *)&self, len) == 0 ? made : -1;
}

/* Passes `one` to itself in place of fd: it comes as the lowest free one. */
static void pass(int one)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || !pass_send(ends[0], one) ||
        close(fd) != 0 || pass_receive(ends[1]) < 0)
        _exit(4);
}

/* The child's fds are its own, its memory is not. */
static int harm(void *unused)
{
    struct linger linger = {1, 0};
    char byte = 0;
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)unused;
    if (strcmp(way, "close") == 0)
        close(fd);
    else if (strcmp(way, "dup2") == 0)
        dup2(other, fd);
    else if (strcmp(way, "dup3") == 0)
        dup3(other, fd, O_CLOEXEC);
    else if (strcmp(way, "close_range") == 0)
        close_range((unsigned)fd, (unsigned)fd, 0);
    else if (strcmp(way, "closefrom") == 0)
        closefrom(fd);
    else if (strcmp(way, "number") == 0)
        syscall(SYS_close, fd);
    else if (strcmp(way, "dup") == 0 && close(fd) == 0)
        (void)!dup(other);
    else if (strcmp(way, "fcntl") == 0 && close(fd) == 0)
        fcntl(other, F_DUPFD, fd);
    else if (strcmp(way, "socket") == 0 && close(fd) == 0)
        (void)!socket(AF_UNIX, SOCK_STREAM, 0);
    else if (strcmp(way, "fclose") == 0)
        (void)fclose(fdopen(fd, "w"));
    else if (strcmp(way, "connect") == 0 && close(fd) == 0)
        dup2(connected(), fd);
    else if (strcmp(way, "accept") == 0 && connect_to_self() >= 0 && close(fd) == 0)
        (void)!accept(listener, NULL, NULL);
    else if (strcmp(way, "linger") == 0 && dup2(socket(AF_INET, SOCK_STREAM, 0), fd) == fd)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    else if (strcmp(way, "shutdown") == 0 && dup2(connected(), fd) == fd)
        shutdown(fd, SHUT_RD);
    else if (strcmp(way, "read") == 0 && dup2(open("/dev/zero", O_RDONLY), fd) == fd)
        (void)!read(fd, &byte, 1);
    else if (strcmp(way, "write") == 0 && dup2(open("/dev/null", O_WRONLY), fd) == fd)
        (void)!write(fd, &byte, 1);
    else if (strcmp(way, "listen") == 0 && dup2(socket(AF_INET, SOCK_STREAM, 0), fd) == fd)
        (void)!listen(fd, 1);
    else if (strcmp(way, "rights") == 0)
        pass(other);
    else if (strcmp(way, "connection") == 0)
        pass(fd);
    else if (strcmp(way, "rlimit") == 0)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, 3});
    else if (strcmp(way, "unshare") == 0)
        (void)unshare(CLONE_NEWNET);
    else if (strcmp(way, "prctl") == 0 || strcmp(way, "syscall") == 0) {
        if (install(strcmp(way, "prctl") == 0) != 0)
            _exit(3);
        dup3(other, fd, O_CLOEXEC);
        close(fd);
        (void)!dup(other);
        (void)!write(other, "", 1);
    }
    _exit(0);
}

static int child_status(pid_t pid)
{
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int harm_later(void *unused)
{
    while (!atomic_load(&parent_went_on))
        ;
    return harm(unused);
}

/* With CLONE_VM alone parent and child run at the same time. */
static pid_t clone_beside(char *stack)
{
    pid_t pid = clone(harm_later, stack, CLONE_VM | SIGCHLD, NULL);
    close(socket(AF_UNIX, SOCK_STREAM, 0));
    atomic_store(&parent_went_on, true);
    return pid;
}

/* A connection from before it, which counts as shared, and one from afterwards, on an fd that
 * the child had to do with. */
static void with_child(const char *how)
{
    static char stack[65536] __attribute__((aligned(16)));
    char byte;
    pid_t pid;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    (void)!listen(listener, 1);
    fd = connected();
    (void)!write(fd, "hello", 5);
    if (strcmp(how, "beside") == 0)
        pid = clone_beside(stack + sizeof(stack));
    else if (strcmp(how, "clone") == 0)
        pid = clone(harm, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    else if ((pid = vfork()) == 0) /* NOLINT: what is tested */
        harm(NULL);                /* NOLINT */
    printf("child %d\n", child_status(pid));
    close(fd);
    fd = connected();
    (void)!write(fd, "hello", 5);
    (void)!read(fd, &byte, 1); /* once the peer has read all */
    (void)!write(fd, "!", 1);
    close(fd);
}

/* --- sealed --- */

static void sealed(void)
{
    struct linger off = {0, 0};
    int first = connected(), second = connected();
    (void)fflush(stdout);
    if (strcmp(way, "bare") == 0)
        own_calls[2].k = SECCOMP_RET_KILL_PROCESS;
    if (strcmp(way, "probe") == 0) {
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) != -1 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) != -1)
            _exit(3);
    } else if (install(strcmp(way, "prctl") == 0) != 0) {
        _exit(3);
    }
    (void)!write(first, "hello", 5);
    if (own_calls[2].k == SECCOMP_RET_ALLOW)
        setsockopt(first, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
    close(first);
    first = connected();
    (void)!write(first, "hello", 5);
    shutdown(first, SHUT_WR);
    (void)!dup(first);
    close(first);
    close(second);
    (void)!write(1, "alive\n", 6);
    _exit(0);
}

/* --- zygote --- */

static int passage[2];

static void *go_on(void *unused)
{
    int made = connected();
    (void)pass_send(passage[0], made);
    close(made);
    made = connected();
    (void)!write(made, "hello", 5);
    close(made);
    return unused;
}

static int seal_and_go_on(void *unused)
{
    pthread_t thread;
    bool seals = strcmp(way, "open") != 0;
    (void)unused;
    filter = (struct sock_fprog){sizeof(other_calls) / sizeof(other_calls[0]), other_calls};
    if ((seals && install(0) != 0) || pthread_create(&thread, NULL, go_on, NULL) != 0)
        _exit(3);
    pthread_join(thread, NULL);
    pid_t pid = seals ? fork() : -1;
    if (pid == 0)
        _exit(0);
    if (seals && child_status(pid) != 0)
        _exit(4);
    close(fd);
    _exit(0);
}

static void zygote(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    pid_t pid;
    fd = connected();
    (void)!socketpair(AF_UNIX, SOCK_STREAM, 0, passage);
    if (strcmp(way, "number") != 0)
        pid = clone(seal_and_go_on, stack + sizeof(stack), SIGCHLD, NULL);
    else if ((pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) == 0)
        seal_and_go_on(NULL);
    printf("child %d\n", child_status(pid));
    close(fd);
}

/* --- jump, cancel --- */

static sigjmp_buf outside;

static void jump(int sig)
{
    (void)sig;
    siglongjmp(outside, 1);
}

static void tell_state(void)
{
    int cancel;
    sigset_t mask, none;
    sigemptyset(&none);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &cancel);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    printf("cancellation %s, %s, fd %s\n",
           cancel == PTHREAD_CANCEL_ENABLE ? "enabled" : "disabled",
           memcmp(&mask, &none, sizeof(unsigned long)) == 0 ? "no signal blocked" : "blocked",
           fcntl(fd, F_GETFD) < 0 ? "closed" : "open");
}

/* The peer reads nothing for a while: what is written stays unacknowledged. */
static void connect_and_fill(void)
{
    static char much[1 << 16];
    fd = connected();
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (write(fd, much, sizeof(much)) > 0)
        ;
    fcntl(fd, F_SETFL, 0);
}

static void leave_by_jump(void)
{
    struct itimerval soon = {.it_value = {.tv_usec = 400000}};
    (void)signal(SIGALRM, jump);
    connect_and_fill();
    FILE *stream = strcmp(way, "fclose") == 0 ? fdopen(fd, "r") : NULL;
    if (sigsetjmp(outside, 1) == 0) {
        setitimer(ITIMER_REAL, &soon, NULL);
        if (strcmp(way, "dup2") == 0)
            dup2(0, fd);
        else if (strcmp(way, "close_range") == 0)
            close_range((unsigned)fd, (unsigned)fd, 0);
        else if (strcmp(way, "number") == 0)
            syscall(SYS_close, fd);
        else
            stream ? fclose(stream) : close(fd);
        puts("it returned");
    }
    tell_state();
    printf("close %d\n", close(fd));
}

static _Atomic pid_t closer;

static void *close_it(void *unused)
{
    atomic_store(&closer, (pid_t)syscall(SYS_gettid));
    if (strcmp(way, "close_range") == 0)
        close_range((unsigned)fd, (unsigned)fd, 0);
    else
        close(fd);
    return unused;
}

/* Until that thread waits in what closes, or has ended. */
static void wait_for_closer(void)
{
    char state = '?';
    for (int in_a_row = 0; in_a_row < 5 && state;) {
        usleep(1000);
        state = atomic_load(&closer) ? state_of_thread(atomic_load(&closer)) : '?';
        in_a_row = state == 'S' ? in_a_row + 1 : 0;
    }
}

static void leave_by_cancel(void)
{
    pthread_t thread;
    void *result;
    struct linger linger = {1, 3};
    connect_and_fill();
    if (strcmp(way, "linger") == 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    pthread_create(&thread, NULL, close_it, NULL);
    wait_for_closer();
    pthread_cancel(thread);
    pthread_join(thread, &result);
    printf("%s\n", result == PTHREAD_CANCELED ? "cancelled" : "returned");
    tell_state();
    printf("close %d\n", close(fd));
}

static void seal_meanwhile(void)
{
    pthread_t thread;
    connect_and_fill();
    filter = (struct sock_fprog){sizeof(other_calls) / sizeof(other_calls[0]), other_calls};
    pthread_create(&thread, NULL, close_it, NULL);
    wait_for_closer();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0)
        _exit(3);
    pthread_join(thread, NULL);
    (void)!write(1, "alive\n", 6);
    _exit(0);
}

int main(int argc, char **argv)
{
    (void)alarm(60);
    if (argc < 3)
        return 2;
    way = argc > 3 ? argv[3] : "";
    server = (struct sockaddr_in){.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtol(argv[2], NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (strcmp(argv[1], "sealed") == 0)
        sealed();
    else if (strcmp(argv[1], "zygote") == 0)
        zygote();
    else if (strcmp(argv[1], "jump") == 0)
        leave_by_jump();
    else if (strcmp(argv[1], "cancel") == 0)
        leave_by_cancel();
    else if (strcmp(argv[1], "meanwhile") == 0)
        seal_meanwhile();
    else
        with_child(argv[1]);
    return 0;
}
