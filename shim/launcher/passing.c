#include "launcher/passing.h"

#include <stddef.h>
#include <unistd.h>

void passing_all(sigset_t *all)
{
    sigfillset(all); /* SIGKILL and SIGSTOP are held by nobody */
}

/** Such a signal comes from the terminal to its whole process group. */
static bool is_terminals(int signal)
{
    switch (signal) {
    case SIGINT:
    case SIGQUIT:
    case SIGHUP:
    case SIGCONT:
    case SIGWINCH:
        return true;
    default:
        return passing_stops(signal);
    }
}

bool passing_is_due(const siginfo_t *info, pid_t child)
{
    if (info->si_code == SI_USER && info->si_pid == getpid())
        return false; /* of our own write: SIGPIPE, SIGXFSZ */
    if (info->si_code != SI_KERNEL)
        return info->si_signo != SIGCHLD || info->si_code <= 0;
    if (info->si_signo == SIGXCPU)
        return false; /* we have used our own time */
    return !is_terminals(info->si_signo) || getpgid(child) != getpgrp();
}

void passing_send(pid_t child, const siginfo_t *info)
{
    if (info->si_code == SI_QUEUE)
        (void)sigqueue(child, info->si_signo, info->si_value);
    else
        (void)kill(child, info->si_signo);
}

bool passing_stops(int signal)
{
    return signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

static bool is_ignored(int signal)
{
    struct sigaction action;
    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

bool passing_ends(int signal)
{
    return (signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT) &&
           !is_ignored(signal); /* as nohup(1) wants it */
}
