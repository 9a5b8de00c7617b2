/*
 * child: the command as our child, and the signals meanwhile.
 *
 * Owns: the child and its descendants. SIGINT, SIGTERM and SIGHUP do not end the launcher: they
 * are passed on to the command and remembered, so that what was measured can still be shown.
 */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>

struct child_result {
    int error;        /* errno where the command could not be started, or 0 */
    int status;       /* of its exit; 128 + N where signal N ended it */
    double wall_s;    /* from its start to its end */
    bool interrupted; /* one of the signals came meanwhile */
};

/** The signals that are held back and passed on. */
enum child_signals {
    /** Those three. SIGINT and SIGTERM also where a shell has the launcher ignore them, as one
     * without job control does in the background: whoever sends them means the experiment. */
    CHILD_ENDING_SIGNALS,
    /** SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM and SIGWINCH, too; none that is ignored. */
    CHILD_ALL_SIGNALS,
};

/** From now on these signals are only remembered. */
void child_hold_signals(enum child_signals which);

/** How a command is run. */
struct child_options {
    bool apart;         /* stdin is /dev/null, and stdout our stderr */
    bool descendants;   /* wait for the last process that the command has started, too */
    void (*tick)(void); /* called every tick_ms meanwhile, or NULL */
    int tick_ms;
};

/** Runs the command to its end, with this environment. */
struct child_result child_run(char *const command[], const struct child_options *options);

/** One of the signals came. */
bool child_interrupted(void);

/** Waits, unless or until one of them comes. */
void child_sleep(int ms);

#endif
