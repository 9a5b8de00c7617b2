#include "trial.h"

#include "kernel/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
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

void trial_begin(enum trial_signals which)
{
    static const int signals[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                  SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH};
    size_t count = which == TRIAL_ALL ? sizeof(signals) / sizeof(signals[0]) : 3;
    if (which == TRIAL_ENDS) {
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
 * Takes a signal that comes within `ms`. One that the terminal sent has reached the command,
 * which is in the same process group, already (SI_KERNEL).
 */
static void take_signal(int ms, pid_t command)
{
    struct timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * NS_PER_MS};
    siginfo_t info;
    int signal = sigtimedwait(&blocked, &info, &timeout);
    if (signal <= 0 || signal == SIGCHLD)
        return;
    interrupted = true;
    if (command > 0 && info.si_code != SI_KERNEL)
        kill(command, signal);
}

bool trial_interrupted(void)
{
    if (!interrupted)
        take_signal(0, 0);
    return interrupted;
}

void trial_sleep(int ms)
{
    int64_t deadline = clock_now() + ms * NS_PER_MS;
    for (int64_t left; !interrupted && (left = deadline - clock_now()) > 0;)
        take_signal((int)(left / NS_PER_MS) + 1, 0);
}

/** stdout is for the result, and no run may take another's input. */
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
static _Noreturn void start(char *const command[], bool apart, int failed)
{
    signal(SIGCHLD, original_sigchld);
    sigprocmask(SIG_SETMASK, &original, NULL);
    if (apart && !set_apart())
        _exit(127);
    execvp(command[0], command);
    int error = errno;
    _exit(write(failed, &error, sizeof(error)) == sizeof(error) ? 0 : 127);
}

static int wait_for(pid_t child, const struct trial_way *way)
{
    int status;
    pid_t ended;
    while ((ended = waitpid(child, &status, WNOHANG)) == 0) {
        take_signal(way->tick ? way->tick_ms : 1000, child);
        if (way->tick)
            way->tick();
    }
    if (ended < 0)
        return 127;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

struct trial trial_run(char *const command[], const struct trial_way *way)
{
    struct trial trial = {0};
    int failed[2];
    if (pipe2(failed, O_CLOEXEC) != 0)
        return (struct trial){.error = errno};
    int64_t start_ns = clock_now();
    pid_t child = fork();
    if (child == 0)
        start(command, way->apart, failed[1]);
    trial.error = child < 0 ? errno : 0;
    close(failed[1]);
    if (child > 0) {
        trial.status = wait_for(child, way);
        trial.wall_s = (double)(clock_now() - start_ns) / (double)NS_PER_S;
        trial.interrupted = interrupted;
        int error;
        if (read(failed[0], &error, sizeof(error)) == (ssize_t)sizeof(error))
            trial.error = error;
    }
    close(failed[0]);
    return trial;
}
