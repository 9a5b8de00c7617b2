/* results: the calls that make and end processes. */
#ifndef RESULTS_PROCESS_H
#define RESULTS_PROCESS_H

#include "results_end.h"

#include <dlfcn.h>
#include <sched.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ulimit.h>
#include <wordexp.h>

/* --- ends --- */

static void extra_status(pid_t pid)
{
    int status = 0;

    if (waitpid(pid, &status, 0) != pid)
        extra("no child");
    else if (WIFSIGNALED(status))
        extra("signal=%s", sigabbrev_np(WTERMSIG(status)));
    else
        extra("exit=%d", WEXITSTATUS(status));
}

static void end__exit(void)
{
    _exit(7);
}

static void end__Exit(void)
{
    _Exit(8);
}

static void end_exit(void)
{
    exit(9);
}

static void end_quick_exit(void)
{
    quick_exit(10);
}

static void end__exit_300(void)
{
    _exit(300);
}

static void end_abort(void)
{
    abort();
}

static void end_kill(void)
{
    (void)raise(SIGKILL);
}

static void overflow_read(void)
{
    (void)fortified_read(0, buffer, WANTED, 1);
}

static void overflow_recv(void)
{
    (void)fortified_recv(0, buffer, WANTED, 1, 0);
}

static void overflow_recvfrom(void)
{
    (void)fortified_recvfrom(0, buffer, WANTED, 1, 0, NULL, NULL);
}

static const struct end {
    const char *name;
    void (*run)(void);
} ends[] = {
    {"_exit", end__exit},
    {"_Exit", end__Exit},
    {"exit", end_exit},
    {"quick_exit", end_quick_exit},
    {"_exit 300", end__exit_300},
    {"abort", end_abort},
    {"SIGKILL", end_kill},
    {"__read_chk overflow", overflow_read},
    {"__recv_chk overflow", overflow_recv},
    {"__recvfrom_chk overflow", overflow_recvfrom},
};

/* --- children --- */

typedef pid_t fork_call(void);

/* A child that holds a connection of its own besides its parent's. */
static void run_end(const struct end *e)
{
    struct rlimit no_core = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)dup2(make_null_write(), STDERR_FILENO); /* the word of __fortify_fail() */
    (void)connected(&sides[0]);
    handle(SIGABRT, SIG_DFL);
    e->run();
    _exit(99);
}

static void try_end(const struct end *e, const char *name, fork_call *call)
{
    int fd = connected(&sides[1]);
    pid_t pid;

    (void)fflush(stdout);
    errno = UNTOUCHED;
    pid = call();
    if (pid == 0)
        run_end(e);
    report(name, pid > 0 ? 1 : pid, errno, "child ends by %s", e->name);
    extra_status(pid);
    extra_alive(fd);
    drop_arrivals(peer_listeners[0]);
    clean(fd);
}

pid_t other_vfork(void) __asm__("__vfork") __attribute__((returns_twice));
int other_clone(int (*function)(void *), void *stack, int flags, void *argument,
                ...) __asm__("__clone");

static void try_dlopen(void)
{
    void *libm = dlopen("libm.so.6", RTLD_NOW | RTLD_DEEPBIND);
    report("dlopen", libm ? 0 : -1, libm ? 0 : ENOENT, "a library, RTLD_DEEPBIND");
    void *none = dlopen("/no/such/library", RTLD_NOW);
    report("dlopen", none ? 0 : -1, ENOENT, "no such file");
}

static void try_vfork(void)
{
    int fd = connected(&sides[0]);
    pid_t pid;

    errno = UNTOUCHED;
    pid = vfork(); /* NOLINT: what is tried */
    if (pid == 0)
        _exit(5); /* NOLINT */
    report("vfork", pid > 0 ? 1 : pid, errno, "child ends by _exit");
    extra_status(pid);
    errno = UNTOUCHED;
    pid = other_vfork(); /* NOLINT */
    if (pid == 0)
        _exit(6); /* NOLINT */
    report("__vfork", pid > 0 ? 1 : pid, errno, "child ends by _exit");
    extra_status(pid);
    extra_alive(fd);
    clean(fd);
}

/* Its caller ends in it; the pipe tells when the daemon has, too. */
static void try_daemon(void)
{
    int fd = connected(&sides[0]), told[2] = {-1, -1};
    pid_t pid;
    char none;

    (void)fflush(stdout);
    (void)pipe(told);
    pid = fork();
    if (pid == 0) {
        CALL("daemon", daemon(1, 1), "in a child");
        extra_alive(fd);
        (void)fflush(stdout);
        _exit(0);
    }
    (void)close(told[1]);
    (void)read(told[0], &none, 1);
    (void)close(told[0]);
    (void)waitpid(pid, NULL, 0);
    CALL("write", write(fd, hello, 5), "after the daemon");
    extra_alive(fd);
    clean(fd);
}

static int cloned(void *argument)
{
    return *(int *)argument;
}

typedef int clone_call(int (*function)(void *), void *stack, int flags, void *argument, ...);

static void try_clone(const char *name, clone_call *call)
{
    static char stack[65536] __attribute__((aligned(16)));
    int fd = connected(&sides[0]), value = 44, tid = 0;
    pid_t pid;

    errno = UNTOUCHED;
    pid = call(cloned, stack + sizeof stack, SIGCHLD, &value);
    report(name, pid > 0 ? 1 : pid, errno, "child returns");
    extra_status(pid);
    errno = UNTOUCHED;
    pid = call(cloned, stack + sizeof stack, CLONE_PARENT_SETTID | SIGCHLD, &value, &tid);
    report(name, pid > 0 ? 1 : pid, errno, "CLONE_PARENT_SETTID");
    extra("tid=%d", tid == pid);
    extra_status(pid);
    CALL(name, call(cloned, stack + sizeof stack, CLONE_SIGHAND | SIGCHLD, &value),
         "CLONE_SIGHAND alone");
    CALL(name, call(NULL, stack + sizeof stack, SIGCHLD, &value), "no function");
    CALL(name, call(cloned, NULL, SIGCHLD, &value), "no stack");
    extra_alive(fd);
    clean(fd);
}

/* --- libc's own children --- */

static void try_spawn(void)
{
    char *words[] = {"sh", "-c", "exit 11", NULL}, *none[] = {NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, NO_FD, 0);
    CALL("posix_spawn", posix_spawn(&pid, "/bin/sh", NULL, NULL, words, environ), "sh");
    extra_status(pid);
    CALL("posix_spawn", posix_spawn(&pid, "sh", NULL, NULL, words, environ), "no such file");
    CALL("posix_spawn", posix_spawn(&pid, "/", NULL, NULL, words, none), "a directory");
    CALL("posix_spawn", posix_spawn(&pid, "/bin/sh", &actions, NULL, words, environ),
         "action that fails");
    CALL("posix_spawnp", posix_spawnp(&pid, "sh", NULL, NULL, words, environ), "sh");
    extra_status(pid);
    CALL("posix_spawnp", posix_spawnp(&pid, "no-such-program", NULL, NULL, words, environ),
         "no such program");
    (void)posix_spawn_file_actions_destroy(&actions);
}

/* pidfd_spawn() and pidfd_spawnp() of glibc 2.39, where libc has them. */
static void try_pidfd_spawn(const char *name)
{
    typedef int spawner(int *, const char *, const posix_spawn_file_actions_t *,
                        const posix_spawnattr_t *, char *const[], char *const[]);
    spawner *spawn = (spawner *)dlsym(RTLD_DEFAULT, name);
    char *words[] = {"sh", "-c", "exit 11", NULL};
    siginfo_t info = {0};
    int pidfd = -1;

    if (!spawn)
        return;
    CALL(name, spawn(&pidfd, "/bin/sh", NULL, NULL, words, environ), "sh");
    if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) == 0)
        extra("exit=%d", info.si_status);
    close(pidfd);
    CALL(name, spawn(&pidfd, "no-such-program", NULL, NULL, words, environ), "no such program");
}

static void try_system(void)
{
    static const char *const shell[] = {"exit 3", "kill -KILL $$", "no-such-program 2>&-", "",
                                        NULL};

    for (int i = 0; i < COUNT(shell); i++)
        CALL("system", system(shell[i]), "%s", shell[i] ? shell[i] : "NULL"); /* NOLINT */
}

FILE *other_popen(const char *command, const char *mode) __asm__("_IO_popen");

static void try_popen(void)
{
    char line[16] = "";
    FILE *stream;

    CALL("popen", (stream = open_shell("echo hello; exit 4", "r")) ? 0 : -1, "to read");
    extra("'%s'", stream && fgets(line, sizeof line, stream) ? strtok(line, "\n") : "?");
    CALL("pclose", stream ? pclose(stream) : -1, "exit 4");
    CALL("popen", (stream = open_shell("read x; exit ${#x}", "we")) ? 0 : -1, "to write");
    if (stream)
        (void)fputs(hello, stream);
    CALL("pclose", stream ? pclose(stream) : -1, "exit 5");
    CALL("popen", (stream = open_shell("true", "?")) ? 0 : -1, "wrong mode");
    if (stream)
        (void)pclose(stream);
}

/* A child without pthread_atfork() handlers, a thread's own table of fds, a copy of any fd. */
static void try_other_copies(void)
{
    wordexp_t words;
    FILE *stream;
    int fd = connected(&sides[0]), self, copy;

    CALL("wordexp", wordexp("$(echo a b) c", &words, 0), "of a command");
    extra("%zu %s", words.we_wordc, words.we_wordv[2]);
    wordfree(&words);
    CALL("wordexp", wordexp("a | b", &words, 0), "of a bad word");
    CALL("_IO_popen", (stream = other_popen("echo hello", "r")) ? 0 : -1, "to read");
    if (stream)
        (void)pclose(stream);
    CALL("_IO_popen", other_popen("true", "?") ? 0 : -1, "wrong mode");
    CALL("unshare", unshare(CLONE_FILES), "CLONE_FILES");
    CALL("unshare", unshare(-1), "all flags");
    self = pidfd_open(getpid(), 0);
    CALL("pidfd_getfd", (copy = pidfd_getfd(self, fd, 0)) >= 0 ? 0 : -1, "of a connection");
    extra_alive(copy);
    CALL("pidfd_getfd", pidfd_getfd(self, NO_FD, 0), "of no fd");
    CALL("pidfd_getfd", pidfd_getfd(NO_FD, fd, 0), "by no pidfd");
    (void)close(self);
    (void)close(copy);
    clean(fd);
}

/* What makes of this process another one. (A filter of its own is for seccomp's tests.) */
static void try_own_process(void)
{
    char name[16] = "";
    int ns = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);

    CALL("setns", setns(ns, CLONE_NEWUTS), "this UTS namespace");
    CALL("setns", setns(ns, CLONE_NEWNET), "of another kind");
    CALL("setns", setns(NO_FD, 0), "no fd");
    (void)close(ns);
    CALL("prctl", prctl(PR_GET_NAME, name), "PR_GET_NAME");
    extra("'%s'", name);
    CALL("prctl", prctl(PR_GET_NAME, bad), "PR_GET_NAME, bad pointer");
    CALL("prctl", prctl(PR_SET_SECCOMP, -1, 0), "PR_SET_SECCOMP, no such mode");
    CALL("prctl", prctl(PR_SET_SECCOMP, 2, bad), "PR_SET_SECCOMP, bad pointer");
    CALL("prctl", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), "PR_SET_NO_NEW_PRIVS, 0");
}

/* The limit of a file's size is looked at by the log, and set to what it is. */
static void results_limits(void)
{
    struct rlimit limit;
    struct rlimit64 limit64;
    CALL("prlimit", prlimit(0, RLIMIT_FSIZE, NULL, &limit), "asked for");
    CALL("prlimit64", prlimit64(0, RLIMIT_FSIZE, NULL, &limit64), "asked for");
    CALL("prlimit", prlimit(0, RLIMIT_FSIZE, &limit, NULL), "as it is");
    CALL("prlimit64", prlimit64(0, RLIMIT_FSIZE, &limit64, NULL), "as it is");
    if (sizeof(void *) == 8) { /* libc reads it itself for a 32-bit program */
        CALL("prlimit", prlimit(0, RLIMIT_FSIZE, bad, NULL), "bad pointer");
        CALL("setrlimit", setrlimit(RLIMIT_FSIZE, bad), "bad pointer");
    }
    CALL("prlimit64", prlimit64(0, -1, NULL, &limit64), "no such resource");
    CALL("setrlimit", setrlimit(RLIMIT_FSIZE, &limit), "as it is");
    CALL("setrlimit64", setrlimit64(RLIMIT_FSIZE, &limit64), "as it is");
    CALL("setrlimit64", setrlimit64(-1, &limit64), "no such resource");
    CALL("ulimit", ulimit(UL_GETFSIZE), "asked for");
    CALL("ulimit", ulimit(99), "no such command");
}

static void results_process(void)
{
    results_limits();
    for (int i = 0; i < COUNT(ends); i++) {
        try_end(&ends[i], "fork", fork);
        try_end(&ends[i], "_Fork", _Fork);
    }
    for (int i = 0; i < 2; i++) /* the ends by their own names */
        try_end(&ends[i], ends[i].name, fork);
    try_vfork();
    try_dlopen();
    try_daemon();
    try_clone("clone", clone);
    try_clone("__clone", other_clone);
    int fd = connected(&sides[0]);

    try_spawn();
    try_pidfd_spawn("pidfd_spawn");
    try_pidfd_spawn("pidfd_spawnp");
    (void)fflush(stdout);
    try_system();
    try_popen();
    try_other_copies();
    try_own_process();
    CALL("write", write(fd, hello, 5), "after the children");
    extra_alive(fd);
    clean(fd);
}

#endif
