/* act's steps for blocks, threads, processes, signals and the ends of a process. */
#ifndef ACT_PROCESS_H
#define ACT_PROCESS_H

#include "act.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

enum { TIME_LIMIT_S = 120, MAX_THREADS = 16 };

/* Runs the steps from..to-1 (act.c). */
static void run_steps(struct act *a, int from, int to);
/* The words of the script after step i, ending in NULL (act.c). */
static char **words_after(int i);

static pid_t child;

/* --- blocks --- */

static void step_loop(struct act *a, const struct step *s)
{
    int start = a->pc, count = number(s, 0);
    long before = a->errors;
    bool loud = s->args > 1 && strcmp(s->arg[1], "loud") == 0;

    a->errors = 0;
    a->quiet += !loud;
    for (int i = 0; i < count; i++)
        run_steps(a, start + 1, s->match);
    a->quiet -= !loud;
    a->pc = s->match;
    say(a, s, "%d errors=%ld%s%s", count, a->errors, a->errors ? " first=" : "",
        a->errors ? a->first : "");
    a->errors += before;
}

static void step_quiet(struct act *a, const struct step *s)
{
    (void)s;
    a->quiet++;
}

static void step_loud(struct act *a, const struct step *s)
{
    (void)s;
    a->quiet = 0;
}

static void step_say(struct act *a, const struct step *s)
{
    say(a, s, "%s", s->text);
}

static void step_time_limit(struct act *a, const struct step *s)
{
    (void)a;
    (void)alarm((unsigned)number(s, 0));
}

/* --- processes --- */

static pid_t fork_by(const char *how)
{
    if (strcmp(how, "_Fork") == 0)
        return _Fork();
    if (strcmp(how, "raw") == 0)
        return (pid_t)raw_syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (*how)
        die("fork: _Fork or raw");
    return fork();
}

static void step_fork(struct act *a, const struct step *s)
{
    int start = a->pc;

    child = fork_by(s->args ? s->arg[0] : "");
    if (child == 0) {
        a->prefix = "child ";
        (void)alarm(TIME_LIMIT_S);
        run_steps(a, start + 1, s->match);
        _exit(0);
    }
    a->pc = s->match;
    if (child < 0)
        report(a, s, child);
}

static void step_vfork_close(struct act *a, const struct step *s)
{
    int fd = *slot(a, s);
    int status = 0;
    pid_t pid = vfork(); /* NOLINT: what is tested */

    if (pid == 0)
        _exit(close(fd)); /* NOLINT: what is tested */
    (void)waitpid(pid, &status, 0);
    report(a, s, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static void step_wait(struct act *a, const struct step *s)
{
    int status = 0;

    if (waitpid(-1, &status, 0) < 0)
        report(a, s, -1);
    else if (WIFSIGNALED(status))
        say(a, s, "signal=%s", sigabbrev_np(WTERMSIG(status)));
    else
        say(a, s, "exit=%d", WEXITSTATUS(status));
}

static void step_daemon(struct act *a, const struct step *s)
{
    int result = daemon(1, 1);

    (void)alarm(TIME_LIMIT_S);
    errno = result < 0 ? errno : 0; /* it runs setsid() and, in its parent, exit() */
    report(a, s, result);
}

/* Other programs find the step's fd in ACT_FD; the step `inherit` takes it from there. */
static void export_fd(struct act *a, const struct step *s)
{
    char text[16];

    (void)snprintf(text, sizeof text, "%d", *slot(a, s));
    (void)setenv("ACT_FD", text, 1);
}

static void step_exec(struct act *a, const struct step *s)
{
    char **words = words_after(a->pc);

    export_fd(a, s);
    words[-1] = (char *)s->text;
    execvp(words[-1], words - 1);
    report(a, s, -1);
    _exit(127);
}

static void step_spawn(struct act *a, const struct step *s)
{
    char *words[] = {"sh", "-c", (char *)s->text, NULL};

    export_fd(a, s);
    errno = posix_spawnp(&child, "sh", NULL, NULL, words, environ);
    report(a, s, errno ? -1 : 0);
}

static void step_system(struct act *a, const struct step *s)
{
    export_fd(a, s);
    int result = system(s->text); /* NOLINT: what is tested */

    report_stdio(a, s, result);
}

/* --- threads --- */

struct thread {
    struct act act;
    int from, to;
    pthread_t id;
};

static struct thread threads[MAX_THREADS];
static int thread_count;

static void *run_thread(void *arg)
{
    struct thread *t = arg;

    run_steps(&t->act, t->from, t->to);
    return NULL;
}

static void step_thread(struct act *a, const struct step *s)
{
    if (thread_count == MAX_THREADS)
        die("too many threads");
    struct thread *t = &threads[thread_count++];

    *t = (struct thread){.act = *a, .from = a->pc + 1, .to = s->match};
    t->act.prefix = "thread ";
    a->pc = s->match;
    errno = pthread_create(&t->id, NULL, run_thread, t);
    if (errno)
        report(a, s, -1);
}

static void step_join(struct act *a, const struct step *s)
{
    int count = thread_count;

    while (thread_count > 0)
        (void)pthread_join(threads[--thread_count].id, NULL);
    say(a, s, "%d", count);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void step_lock(struct act *a, const struct step *s)
{
    say(a, s, "%d", pthread_mutex_lock(&mutex));
}

static void step_unlock(struct act *a, const struct step *s)
{
    say(a, s, "%d", pthread_mutex_unlock(&mutex));
}

/* --- signals --- */

static volatile sig_atomic_t signals[NSIG];
static volatile sig_atomic_t fd_to_close = -1;

static int to_signal(const char *name)
{
    for (int i = 1; i < NSIG; i++) {
        const char *known = sigabbrev_np(i);

        if (known && strcmp(known, name) == 0)
            return i;
    }
    die("'%s' is not a signal: TERM, KILL, USR1...", name);
}

static void on_signal_count(int sig)
{
    signals[sig]++;
}

static void on_signal_close(int sig)
{
    int saved = errno;

    signals[sig]++;
    (void)close(fd_to_close);
    errno = saved;
}

static void handle(int sig, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    (void)sigaction(sig, &action, NULL);
}

/* The first such step installs the handler, without SA_RESTART, and prints 0. */
static void count_signal(struct act *a, const struct step *s, int sig)
{
    struct sigaction now;

    (void)sigaction(sig, NULL, &now);
    if (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN)
        handle(sig, on_signal_count);
    say(a, s, "%d", (int)signals[sig]);
}

static void step_sigpipe_count(struct act *a, const struct step *s)
{
    count_signal(a, s, SIGPIPE);
}

static void step_signal_count(struct act *a, const struct step *s)
{
    count_signal(a, s, to_signal(s->arg[0]));
}

static void step_signal_close(struct act *a, const struct step *s)
{
    fd_to_close = *slot(a, s);
    handle(to_signal(s->arg[0]), on_signal_close);
}

static void step_sigpipe(struct act *a, const struct step *s)
{
    (void)a;
    (void)s;
    handle(SIGPIPE, SIG_DFL);
}

static void step_kill(struct act *a, const struct step *s)
{
    report(a, s, kill(getpid(), to_signal(s->arg[0])));
}

static void step_kill_child(struct act *a, const struct step *s)
{
    report(a, s, child > 0 ? kill(child, to_signal(s->arg[0])) : -1);
}

/* --- ends --- */

static _Noreturn void step_exit(struct act *a, const struct step *s)
{
    (void)a;
    exit(number(s, 0));
}

static _Noreturn void step__exit(struct act *a, const struct step *s)
{
    (void)a;
    _exit(number(s, 0));
}

static _Noreturn void step_quick_exit(struct act *a, const struct step *s)
{
    (void)a;
    quick_exit(number(s, 0));
}

static _Noreturn void step_abort(struct act *a, const struct step *s)
{
    (void)a;
    (void)s;
    abort();
}

#endif
