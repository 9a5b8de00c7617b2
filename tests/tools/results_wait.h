/* results: the calls that wait for fds, exec, and system calls by their number. */
#ifndef RESULTS_WAIT_H
#define RESULTS_WAIT_H

#include "results_connections.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>

int fortified_poll(struct pollfd *fds, nfds_t count, int ms, size_t size) __asm__("__poll_chk");
int fortified_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                    const sigset_t *mask, size_t size) __asm__("__ppoll_chk");

#ifdef SYS_mmap
#define MMAP SYS_mmap
#else
#define MMAP SYS_mmap2 /* arm */
#endif

static const struct timespec no_time = {0, 0};
static const struct timespec bad_time = {0, -1};

static void try_poll(int fd, const char *state)
{
    struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
    struct pollfd *nowhere = bad;

    CALL("poll", poll(&one, 1, 0), "%s", state);
    extra("revents=%d", one.revents);
    CALL("ppoll", ppoll(&one, 1, &no_time, NULL), "%s", state);
    extra("revents=%d", one.revents);
    CALL("__poll_chk", fortified_poll(&one, 1, 0, sizeof one), "%s", state);
    CALL("__ppoll_chk", fortified_ppoll(&one, 1, &no_time, NULL, sizeof one), "%s", state);
    CALL("poll", poll(nowhere, 1, 0), "%s, bad pointer", state);
    CALL("__poll_chk", fortified_poll(nowhere, 1, 0, sizeof one), "%s, bad pointer", state);
    CALL("ppoll", ppoll(&one, 1, &bad_time, NULL), "%s, bad time", state);
    CALL("__ppoll_chk", fortified_ppoll(&one, 1, &bad_time, NULL, sizeof one), "%s, bad time",
         state);
}

static void try_select(int fd, const char *state)
{
    struct timeval now = {0, 0};
    fd_set in;

    FD_ZERO(&in);
    FD_SET(fd, &in);
    CALL("select", select(fd + 1, &in, NULL, NULL, &now), "%s", state);
    extra("set=%d", FD_ISSET(fd, &in) != 0);
    CALL("pselect", pselect(fd + 1, &in, NULL, NULL, &no_time, NULL), "%s", state);
    CALL("select", select(-1, NULL, NULL, NULL, &now), "%s, -1", state);
    CALL("pselect", pselect(-1, NULL, NULL, NULL, &no_time, NULL), "%s, -1", state);
}

static void try_epoll(int fd, const char *state)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT}, got[1];
    int set = epoll_create1(0);

    (void)epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
    CALL("epoll_wait", epoll_wait(set, got, 1, 0), "%s", state);
    CALL("epoll_pwait", epoll_pwait(set, got, 1, 0, NULL), "%s", state);
    CALL("epoll_wait", epoll_wait(NO_FD, got, 1, 0), "%s, no fd", state);
    CALL("epoll_pwait", epoll_pwait(NO_FD, got, 1, 0, NULL), "%s, no fd", state);
    raw_close(set);
}

static void try_waits(void)
{
    for (int side = 0; side < SIDES; side++) {
        int fd = connected(&sides[side]);

        try_poll(fd, sides[side].name);
        try_select(fd, sides[side].name);
        try_epoll(fd, sides[side].name);
        clean(fd);
    }
}

/* --- exec --- */

static char *words[] = {"sh", "-c", "exit 7", NULL};

static void exec_execve(const char *file)
{
    (void)execve(file, words, environ);
}

static void exec_execv(const char *file)
{
    (void)execv(file, words);
}

static void exec_execvp(const char *file)
{
    (void)execvp(file, words);
}

static void exec_execvpe(const char *file)
{
    (void)execvpe(file, words, environ);
}

static void exec_execl(const char *file)
{
    (void)execl(file, words[0], words[1], words[2], "4", "5", "6", "7", (char *)NULL);
}

static void exec_execle(const char *file)
{
    (void)execle(file, words[0], words[1], words[2], "4", "5", "6", (char *)NULL, environ);
}

static void exec_execlp(const char *file)
{
    (void)execlp(file, words[0], words[1], words[2], "4", "5", "6", "7", (char *)NULL);
}

static void exec_fexecve(const char *file)
{
    (void)fexecve(open(file, O_RDONLY), words, environ);
}

static void exec_execveat(const char *file)
{
    (void)execveat(AT_FDCWD, file, words, environ, 0);
}

static const struct exec {
    const char *name;
    void (*run)(const char *file);
} execs[] = {
    {"execve", exec_execve},   {"execv", exec_execv},     {"execvp", exec_execvp},
    {"execvpe", exec_execvpe}, {"execl", exec_execl},     {"execle", exec_execle},
    {"execlp", exec_execlp},   {"fexecve", exec_fexecve}, {"execveat", exec_execveat},
};

static void try_exec(const struct exec *e)
{
    int status = 0;
    pid_t pid;

    errno = UNTOUCHED;
    e->run("/no/such/program");
    report(e->name, -1, errno, "no such file");
    (void)fflush(stdout);
    pid = fork();
    if (pid == 0) {
        e->run("/bin/sh");
        _exit(99);
    }
    (void)waitpid(pid, &status, 0);
    report(e->name, 0, UNTOUCHED, "sh");
    extra("exit=%d", WEXITSTATUS(status));
}

/* --- by number --- */

static void try_syscall(void)
{
    int fd = connected(&sides[0]);
    void *page;

    CALL("syscall", syscall(SYS_getppid) == getppid() ? 0 : -1, "getppid");
    errno = UNTOUCHED;
    page = (void *)syscall(MMAP, NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    report("syscall", page == MAP_FAILED ? -1 : 0, errno, "mmap, 6 arguments");
    (void)munmap(page, 4096);
    CALL("syscall", syscall(SYS_close, NO_FD), "close of no fd");
    CALL("syscall", syscall(SYS_close, fd), "close");
    CALL("syscall", syscall(SYS_close, fd), "close again");
    raw_close(peer);
}

static void results_wait(void)
{
    try_waits();
    for (int i = 0; i < COUNT(execs); i++)
        try_exec(&execs[i]);
    try_syscall();
}

#endif
