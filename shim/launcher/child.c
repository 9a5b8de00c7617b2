#include "launcher/child.h"

#include "kernel/clock.h"
#include "launcher/passing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static sigset_t original, held;
static void (*original_sigchld)(int);
static bool interrupted;

static void hold_ending(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (passing_ends(signals[i]))
            sigaddset(&held, signals[i]);
}

void child_hold_signals(enum child_signals which)
{
    sigemptyset(&held);
    sigaddset(&held, SIGCHLD);
    if (which == CHILD_ALL_SIGNALS)
        passing_all(&held);
    else
        hold_ending();
    original_sigchld = signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_BLOCK, &held, &original);
}

/**
 * Sends the signal to our children: what is left of the command when it has ended itself.
 * Returns how many there are.
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
        if (child > 0 && passing_is_due(info, child))
            passing_send(child, info);
    }
    free(line);
    fclose(file);
    return n;
}

/** Waits at most `ms` for one; its number, or -1. */
static int take_signal(int ms, siginfo_t *info)
{
    struct timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * NS_PER_MS};
    int signal = sigtimedwait(&held, info, &timeout);
    interrupted = interrupted || (signal > 0 && passing_ends(signal));
    return signal;
}

/** The same; false also where it only tells of a child's change. */
static bool receive_signal(int ms, siginfo_t *info)
{
    int signal = take_signal(ms, info);
    return signal > 0 && (signal != SIGCHLD || info->si_code <= 0);
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
    bool stopped;  /* the command is, by a signal */
    int64_t start_ns, next_tick;
    int64_t stopping_until; /* we have received a signal that stops */
    bool stopping_alone;    /* after the command's end */
    struct child_result result;
};

/** Where there is a master that lives, it passes on what is sent to it: the same signal to the
 * whole process group is not to come once more from us. */
static bool is_from_others(const struct running *running, const siginfo_t *info)
{
    pid_t master = running->options->master;
    return master != 0 && getppid() == master && info->si_pid != master;
}

#define STOPPING_MS 1000 /* a command may have something to do before it stops */

static void note_stopping(struct running *running, int signal)
{
    const struct child_note *inner = running->options->inner;
    if (signal == SIGCONT)
        running->stopping_until = 0;
    if (!passing_stops(signal))
        return;
    running->stopping_until = clock_now() + STOPPING_MS * NS_PER_MS;
    running->stopping_alone = inner ? inner->ended : running->command == 0;
}

/** The command has stopped, or goes on: the master is to know. */
static void set_stopped(struct running *running, bool stopped)
{
    const struct child_options *options = running->options;
    running->stopped = stopped;
    if (options->note)
        options->note->stopped = stopped;
    if (stopped && options->master && getppid() == options->master)
        kill(options->master, SIGCHLD);
}

static bool is_stopped(const struct running *running)
{
    const struct child_note *inner = running->options->inner;
    return running->stopping_alone || (inner ? inner->stopped : running->stopped);
}

/**
 * Where we were told to stop we do, once the command has, as whoever started us waits for that.
 * Not where it is the command alone that others stop: they let it alone go on. Nor do we where
 * we have a master: that stops, and we go on serving.
 */
static void stop_with_command(struct running *running)
{
    if (running->options->master != 0 || !is_stopped(running) ||
        clock_now() >= running->stopping_until)
        return;
    running->stopping_until = 0;
    (void)raise(SIGSTOP);
}

/** Returns false where there is nobody left to be waited for. */
static bool pass_signal_on(struct running *running, const siginfo_t *info)
{
    if (info->si_signo == SIGCHLD && info->si_pid == running->command)
        return true; /* see set_stopped() */
    if (is_from_others(running, info))
        return true;
    note_stopping(running, info->si_signo);
    if (running->command == 0)
        return signal_children(info) > 0;
    if (passing_is_due(info, running->command))
        passing_send(running->command, info);
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
    running->stopped = false;
    running->result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    running->result.status =
        running->result.signal ? 128 + running->result.signal : WEXITSTATUS(status);
    running->result.wall_s = (double)(clock_now() - running->start_ns) / (double)NS_PER_S;
    if (note) {
        note->status = running->result.status;
        note->ended = true;
    }
}

static void command_has_changed(struct running *running, int status)
{
    if (WIFSTOPPED(status) || WIFCONTINUED(status))
        set_stopped(running, WIFSTOPPED(status));
    else
        command_has_ended(running, status);
}

static void wait_for_end(struct running *running)
{
    bool descendants = running->options->descendants;
    int status;
    while (running->command != 0 || descendants) {
        pid_t changed = waitpid(descendants ? -1 : running->command, &status,
                                WNOHANG | WUNTRACED | WCONTINUED);
        if (changed < 0)
            return;
        if (changed > 0 && changed == running->command)
            command_has_changed(running, status);
        else if (changed == 0 && !wait_for_event(running))
            return;
        stop_with_command(running);
    }
}

/** The same; what options->serve needs is there meanwhile. */
static void wait_and_serve(struct running *running)
{
    running->signals = -1;
    if (running->options->serve)
        running->signals = signalfd(-1, &held, SFD_CLOEXEC);
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

static void run(char *const command[], struct running *running)
{
    int failed[2];
    if (pipe2(failed, O_CLOEXEC) != 0) {
        running->result.error = errno;
        return;
    }
    become_reaper(running->options);
    running->start_ns = clock_now();
    running->command = fork();
    if (running->command == 0) {
        close(failed[0]);
        start(command, running->options, failed[1]);
    }
    running->result.error = running->command < 0 ? errno : 0;
    close(failed[1]);
    if (running->command > 0)
        run_child(running, failed[0]);
    close(failed[0]);
}

struct child_result child_run(char *const command[], const struct child_options *options)
{
    struct running running = {.options = options, .result = {.status = 127}};
    sigset_t before = held, mask;
    passing_all(&held); /* while a command runs, every signal is for it */
    sigprocmask(SIG_BLOCK, &held, &mask);
    run(command, &running);
    while (take_signal(0, &(siginfo_t){0}) > 0)
        ; /* too late for it, and not for us */
    held = before;
    sigprocmask(SIG_SETMASK, &mask, NULL);
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
