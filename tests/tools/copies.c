/*
 * copies: a connection is closed while another thread makes a copy of it, and goes on with
 * that.
 *
 * `copies WAY ROUNDS [LATE [CLOSER]]`; ways: fork, _Fork, clone, dup, dup2, dup3, fcntl,
 * number, rights, spawn, pidfd_spawn, vfork. With LATE, unless it is 0, the copy is made so
 * many us after the close began; without, about then. It is closed by close, dup2, dup3,
 * close_range, fclose or number. In a plain program every byte that is written to a copy
 * arrives, and a copy has no linger. It is the host program, and knows nothing of the library.
 */
#include "pass.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BYTES = 200000, AT = 300, WAS_GONE = 2, LINGERS = 3, LOST = 4 };

extern char **environ;

static int fd; /* of the connection */
static int passage[2];
static _Atomic bool go, begun, closed;
static useconds_t late;
static const char *closer = "close";
static int nothing; /* an fd of no connection */
static struct sockaddr_in server;

static int connected(void)
{
    int made = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(made, (struct sockaddr *)&server, sizeof(server)) != 0) {
        perror("connect");
        exit(1);
    }
    return made;
}

/* Writes everything to the copy: 0, or what went wrong. */
static int go_on(int copy)
{
    static char bytes[BYTES];
    struct linger linger = {0};
    socklen_t len = sizeof(linger);
    ssize_t all = 0, r = 0;
    if (getsockopt(copy, SOL_SOCKET, SO_LINGER, &linger, &len) != 0)
        return WAS_GONE;
    if (linger.l_onoff)
        return LINGERS;
    while (all < BYTES && (r = write(copy, bytes + all, (size_t)(BYTES - all))) > 0)
        all += r;
    return all == BYTES ? 0 : LOST;
}

/* In a child, or in what it executes: the parent has closed its copy by now. */
static int go_on_as_child(void)
{
    usleep(3000);
    return go_on(fd);
}

static int status_of(pid_t pid)
{
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return LOST;
    return WEXITSTATUS(status);
}

static int by_child(pid_t pid)
{
    if (pid == 0)
        _exit(go_on_as_child());
    return status_of(pid);
}

static int clone_goes_on(void *nothing_else)
{
    (void)nothing_else;
    return go_on_as_child();
}

/* Without CLONE_VM: as fork(), but without its handlers. */
static int by_clone(void)
{
    static char stack[64 * 1024] __attribute__((aligned(16)));
    return status_of(clone(clone_goes_on, stack + sizeof(stack), SIGCHLD, NULL));
}

static int by_exec(bool vforks)
{
    char number[16];
    char *argv[] = {"copies", "child", number, NULL};
    pid_t pid = -1;
    (void)snprintf(number, sizeof(number), "%d", fd);
    if (!vforks)
        return posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) == 0
                   ? status_of(pid)
                   : LOST;
    pid = vfork(); /* NOLINT: what is tested */
    if (pid == 0) {
        execv("/proc/self/exe", argv);
        _exit(LOST);
    }
    return status_of(pid);
}

/* pidfd_spawn() of glibc 2.39, where libc has it. */
static int by_pidfd_spawn(void)
{
    typedef int spawner(int *, const char *, const posix_spawn_file_actions_t *,
                        const posix_spawnattr_t *, char *const[], char *const[]);
    spawner *spawn = (spawner *)dlsym(RTLD_DEFAULT, "pidfd_spawn");
    char number[16];
    char *argv[] = {"copies", "child", number, NULL};
    siginfo_t info = {0};
    int pidfd;
    (void)snprintf(number, sizeof(number), "%d", fd);
    if (!spawn || spawn(&pidfd, "/proc/self/exe", NULL, NULL, argv, environ) != 0)
        return LOST;
    int error = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
    close(pidfd);
    return error == 0 && info.si_code == CLD_EXITED ? info.si_status : LOST;
}

static int by_rights(void)
{
    return pass_send(passage[0], fd) ? pass_receive(passage[1]) : -1;
}

static int copy_by(const char *way)
{
    if (strcmp(way, "dup") == 0)
        return dup(fd);
    if (strcmp(way, "dup2") == 0)
        return dup2(fd, AT);
    if (strcmp(way, "dup3") == 0)
        return dup3(fd, AT, O_CLOEXEC);
    if (strcmp(way, "fcntl") == 0)
        return fcntl(fd, F_DUPFD, AT);
    if (strcmp(way, "number") == 0)
        return (int)syscall(SYS_dup, fd);
    return by_rights();
}

/* The copy is of this process: looks at it once the close is over. */
static int by_fd(const char *way)
{
    int copy = copy_by(way);
    while (!atomic_load(&closed))
        sched_yield();
    if (copy < 0)
        return WAS_GONE;
    int result = go_on(copy);
    close(copy);
    return result;
}

static void *copier(void *way)
{
    while (!atomic_load(&go))
        ;
    atomic_store(&begun, true);
    if (late)
        usleep(late);
    int result;
    if (strcmp(way, "fork") == 0)
        result = by_child(fork());
    else if (strcmp(way, "_Fork") == 0)
        result = by_child(_Fork());
    else if (strcmp(way, "clone") == 0)
        result = by_clone();
    else if (strcmp(way, "spawn") == 0 || strcmp(way, "vfork") == 0)
        result = by_exec(strcmp(way, "vfork") == 0);
    else if (strcmp(way, "pidfd_spawn") == 0)
        result = by_pidfd_spawn();
    else
        result = by_fd(way);
    return (void *)(intptr_t)result;
}

static void spin(long ns)
{
    struct timespec from, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - from.tv_sec) * 1000000000L + now.tv_nsec - from.tv_nsec < ns);
}

static FILE *stream; /* of fd, for fclose() */

static void close_it(void)
{
    if (strcmp(closer, "dup2") == 0)
        dup2(nothing, fd);
    else if (strcmp(closer, "dup3") == 0)
        dup3(nothing, fd, O_CLOEXEC);
    else if (strcmp(closer, "close_range") == 0)
        close_range((unsigned)fd, (unsigned)fd, 0);
    else if (strcmp(closer, "number") == 0)
        syscall(SYS_close, fd);
    else if (stream)
        (void)fclose(stream);
    else
        close(fd);
}

/* One connection: 0, or what went wrong. With `waits`, the close waits for the copier, which on
 * a busy machine may not run until the close is over. */
static int one_round(int listener, char *way, long after_ns, bool waits)
{
    char buf[65536];
    long got = 0;
    ssize_t r;
    pthread_t thread;
    void *result;
    fd = connected();
    stream = strcmp(closer, "fclose") == 0 ? fdopen(fd, "r+") : NULL;
    int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (write(peer, "x", 1) != 1 || read(fd, buf, 1) != 1)
        return LOST;
    atomic_store(&go, false);
    atomic_store(&begun, false);
    atomic_store(&closed, false);
    pthread_create(&thread, NULL, copier, way);
    usleep(50);
    atomic_store(&go, true);
    while (waits && !atomic_load(&begun))
        sched_yield();
    spin(late ? 0 : after_ns);
    close_it();
    atomic_store(&closed, true);
    while ((r = read(peer, buf, sizeof(buf))) > 0)
        got += r;
    pthread_join(thread, &result);
    close(peer);
    if (strncmp(closer, "dup", 3) == 0)
        close(fd);
    int wrong = (int)(intptr_t)result;
    return wrong == 0 && (got != BYTES || r != 0) ? LOST : wrong;
}

static int listen_somewhere(void)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(server);
    server = (struct sockaddr_in){.sin_family = AF_INET};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&server, len) != 0 || listen(listener, 64) != 0 ||
        getsockname(listener, (struct sockaddr *)&server, &len) != 0)
        exit(1);
    return listener;
}

/* Until when after the copier was let go the close begins: about as long as the copy takes. */
static long most_ns(const char *way)
{
    bool child = strcmp(way, "fork") == 0 || strcmp(way, "_Fork") == 0 ||
                 strcmp(way, "spawn") == 0 || strcmp(way, "vfork") == 0 ||
                 strcmp(way, "pidfd_spawn") == 0;
    return child ? 200000 : 4000;
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 3)
        return 1;
    late = argc > 3 ? (useconds_t)strtol(argv[3], NULL, 10) : 0;
    closer = argc > 4 ? argv[4] : closer;
    nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (strcmp(argv[1], "child") == 0) {
        fd = (int)strtol(argv[2], NULL, 10);
        return go_on_as_child();
    }
    long copies = 0, lost = 0, linger = 0, rounds = strtol(argv[2], NULL, 10),
         most = most_ns(argv[1]);
    int listener = listen_somewhere();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, passage) != 0)
        return 1;
    for (long i = 0; i < rounds; i++) {
        int wrong = one_round(listener, argv[1], i * 997 % most, i % 4 == 0);
        copies += wrong != WAS_GONE;
        lost += wrong == LOST;
        linger += wrong == LINGERS;
    }
    printf("%s: %ld rounds, %ld copies, bytes lost in %ld, a linger on %ld\n", argv[1], rounds,
           copies, lost, linger);
    return lost + linger > 0;
}
