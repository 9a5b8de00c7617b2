#include "launcher/child.h"

#include "kernel/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static sigset_t original, blocked;
static void (*original_sigchld)(int);
static bool interrupted;

static bool is_ignored(int signal)
{
    struct sigaction action;
    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void child_hold_signals(enum child_signals which)
{
    static const int signals[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                  SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH};
    size_t count = which == CHILD_ALL_SIGNALS ? sizeof(signals) / sizeof(signals[0]) : 3;
    if (which == CHILD_ENDING_SIGNALS) {
        (void)signal(SIGINT, SIG_DFL);
        (void)signal(SIGTERM, SIG_DFL);
    }
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    for (size_t i = 0; i < count; i++)
        if (!is_ignored(signals[i])) /* as nohup(1) wants it */
            sigaddset(&blocked, signals[i]);
    original_sigchld = signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_BLOCK, &blocked, &original);
}

/**
 * Sends the signal to our children: what is left of the command when it has ended itself. Those
 * of our process group have had one from the terminal already. Returns how many there are.
 */
static unsigned signal_children(const siginfo_t *info)
{
    char path[64];
    char *line = NULL;
    size_t size = 0;
    unsigned n = 0;
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    for (; getdelim(&line, &size, ' ', file) > 0; n++) {
        pid_t child = (pid_t)strtol(line, NULL, 10);
        if (child > 0 && (info->si_code != SI_KERNEL || getpgid(child) != getpgrp()))
            kill(child, info->si_signo);
    }
    free(line);
    fclose(file);
    return n;
}

/** Waits at most `ms` for a signal other than SIGCHLD; false where only that or none came. */
static bool receive_signal(int ms, siginfo_t *info)
{
    struct timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * NS_PER_MS};
    int signal = sigtimedwait(&blocked, info, &timeout);
    interrupted = interrupted || (signal > 0 && signal != SIGCHLD);
    return signal > 0 && signal != SIGCHLD;
}

bool child_interrupted(void)
{
    if (!interrupted)
        receive_signal(0, &(siginfo_t){0});
    return interrupted;
}

void child_sleep(int ms)
{
    int64_t deadline = clock_now() + ms * NS_PER_MS;
    for (int64_t left; !interrupted && (left = deadline - clock_now()) > 0;)
        receive_signal((int)(left / NS_PER_MS) + 1, &(siginfo_t){0});
}

/** Only the result may go to stdout, and no run may consume the input of the next. */
static bool set_apart(void)
{
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        (dup2(STDERR_FILENO, STDOUT_FILENO) < 0 && dup2(null, STDOUT_FILENO) < 0))
        return false;
    if (null > STDERR_FILENO)
        close(null);
    return true;
}

/** In the child. */
static _Noreturn void start(char *const command[], const struct child_options *options,
                            int failed)
{
    if (options->instead) {
        close(failed);
        _exit(options->instead(command));
    }
    signal(SIGCHLD, original_sigchld);
    sigprocmask(SIG_SETMASK, &original, NULL);
    if ((options->apart && !set_apart()) || (options->prepare && !options->prepare()))
        _exit(127);
    execvp(command[0], command);
    int error = errno;
    _exit(write(failed, &error, sizeof(error)) == sizeof(error) ? 0 : 127);
}

/** The command, while it and what it started run. */
struct running {
    const struct child_options *options;
    pid_t command; /* 0 once it has ended */
    int signals;   /* an fd, readable where one has come, for options->serve */
    int64_t start_ns, next_tick;
    struct child_result result;
};

/** The terminal sends its signals to the command's process group, which is ours (SI_KERNEL):
 * these are not sent twice. Returns false where there is nobody left to be waited for. */
static bool pass_signal_on(const struct running *running, const siginfo_t *info)
{
    if (running->command == 0)
        return signal_children(info) > 0;
    if (info->si_code != SI_KERNEL)
        kill(running->command, info->si_signo);
    return true;
}

/** Waits for a signal or the next tick, and acts upon it; false where nobody is left. */
static bool wait_for_event(struct running *running)
{
    const struct child_options *options = running->options;
    int64_t now = clock_now();
    int ms = options->tick ? (int)((running->next_tick - now) / NS_PER_MS) + 1 : 1000;
    siginfo_t info;
    ms = ms > 0 ? ms : 1;
    if (options->serve)
        options->serve(running->signals, ms);
    if (receive_signal(options->serve ? 0 : ms, &info) && !pass_signal_on(running, &info))
        return false;
    if (options->tick && clock_now() >= running->next_tick) {
        options->tick();
        running->next_tick = clock_now() + options->tick_ms * NS_PER_MS;
    }
    return true;
}

static void command_has_ended(struct running *running, int status)
{
    struct child_note *note = running->options->note;
    running->command = 0;
    running->result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    running->result.status =
        running->result.signal ? 128 + running->result.signal : WEXITSTATUS(status);
    running->result.wall_s = (double)(clock_now() - running->start_ns) / (double)NS_PER_S;
    if (note) {
        note->status = running->result.status;
        note->ended = true;
    }
}

static void wait_for_end(struct running *running)
{
    bool descendants = running->options->descendants;
    int status;
    while (running->command != 0 || descendants) {
        pid_t ended = waitpid(descendants ? -1 : running->command, &status, WNOHANG);
        if (ended < 0)
            return;
        if (ended > 0 && ended == running->command)
            command_has_ended(running, status);
        else if (ended == 0 && !wait_for_event(running))
            return;
    }
}

/** The same; what options->serve needs is there meanwhile. */
static void wait_and_serve(struct running *running)
{
    running->signals = -1;
    if (running->options->serve)
        running->signals = signalfd(-1, &blocked, SFD_CLOEXEC);
    wait_for_end(running);
    if (running->signals >= 0)
        close(running->signals);
    running->result.interrupted = interrupted;
}

/** The errno that start() wrote, or 0. */
static int start_error(int failed)
{
    int error;
    return read(failed, &error, sizeof(error)) == (ssize_t)sizeof(error) ? error : 0;
}

static void become_reaper(const struct child_options *options)
{
    if (options->descendants) /* orphans become our children */
        prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/** The child is there: waits for its end. */
static void run_child(struct running *running, int failed)
{
    const struct child_options *options = running->options;
    if (options->note)
        options->note->command = running->command;
    running->result.refused = options->started && !options->started();
    wait_and_serve(running);
    running->result.error = start_error(failed);
}

struct child_result child_run(char *const command[], const struct child_options *options)
{
    struct running running = {.options = options, .result = {.status = 127}};
    int failed[2];
    if (pipe2(failed, O_CLOEXEC) != 0)
        return (struct child_result){.error = errno};
    become_reaper(options);
    running.start_ns = clock_now();
    running.command = fork();
    if (running.command == 0) {
        close(failed[0]);
        start(command, options, failed[1]);
    }
    running.result.error = running.command < 0 ? errno : 0;
    close(failed[1]);
    if (running.command > 0)
        run_child(&running, failed[0]);
    close(failed[0]);
    return running.result;
}

struct child_result child_adopt(const struct child_options *options)
{
    struct running running = {
        .options = options,
        .command = options->note->ended ? 0 : options->note->command,
        .result = {.status = options->note->ended ? options->note->status : 127},
        .start_ns = clock_now(),
    };
    wait_and_serve(&running);
    return running.result;
}
