/*
 * trial: the command, once, and the signals meanwhile.
 *
 * Owns: the child. SIGINT, SIGTERM and SIGHUP do not end the launcher but are passed on to the
 * command and remembered, so that what was measured can still be shown.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>

struct trial {
    int error;        /* errno where the command could not be started, or 0 */
    int status;       /* of its exit; 128 + N where signal N ended it */
    double wall_s;    /* from its start to its end */
    bool interrupted; /* one of the signals came meanwhile */
};

/** The signals that are taken. */
enum trial_signals {
    /** Those three. SIGINT and SIGTERM also where a shell has the launcher ignore them, as one
     * without job control does in the background: who sends them means the experiment. */
    TRIAL_ENDS,
    /** SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM and SIGWINCH, too; none that is ignored. */
    TRIAL_ALL,
};

/** From now on these signals are only remembered. */
void trial_begin(enum trial_signals which);

/** How a command is run. */
struct trial_way {
    bool apart;         /* stdin is /dev/null, and stdout our stderr */
    void (*tick)(void); /* called every tick_ms while it runs, or NULL */
    int tick_ms;
};

/** Runs the command to its end, with this environment. */
struct trial trial_run(char *const command[], const struct trial_way *way);

/** One of the signals came. */
bool trial_interrupted(void);

/** Waits, unless or until one of them comes. */
void trial_sleep(int ms);

#endif
