/*
 * child: the command as our child, and the signals meanwhile.
 *
 * Owns: the child and its descendants. While the command runs, the launcher stands in its
 * place: every signal that is sent to it is passed on (passing.h). Those that end an experiment
 * are remembered, too, so that what was measured can still be shown.
 */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct child_result {
    int error;        /* errno where the command could not be started, or 0 */
    int status;       /* of its exit; 128 + N where signal N ended it */
    int signal;       /* N, or 0 */
    bool refused;     /* child_options.started said no */
    double wall_s;    /* from its start to its end */
    bool interrupted; /* one of the signals came meanwhile */
};

/** The signals that do not act on the launcher itself while no command runs. */
enum child_signals {
    /** SIGINT, SIGTERM, SIGHUP and SIGQUIT, but those that are ignored. SIGINT and SIGTERM also
     * where a shell has the launcher ignore them, as one without job control does in the
     * background: whoever sends them means the experiment. */
    CHILD_ENDING_SIGNALS,
    /** All that can be held. */
    CHILD_ALL_SIGNALS,
};

/** From now on these signals are only remembered. */
void child_hold_signals(enum child_signals which);

/** What another process needs to go on where this one was killed, and to stop with it. */
struct child_note {
    pid_t command;
    int status; /* as child_result's, once it has ended */
    bool ended, stopped;
};

/** How a command is run. What is NULL is left out. */
struct child_options {
    bool apart;       /* stdin is /dev/null, and stdout our stderr */
    bool descendants; /* wait for the last process that the command has started, too */
    int (*instead)(char *const command[]); /* the child calls it in place of exec */
    bool (*prepare)(void); /* the child calls it before exec; false: it ends, 127 */
    bool (*started)(void); /* called once the child is there; false: nothing is run */
    void (*tick)(void);    /* called every tick_ms meanwhile */
    int tick_ms;
    void (*serve)(int signals, int ms); /* waits in our place, at most so long, or until the
                                           fd `signals` is readable */
    struct child_note *note;            /* kept up to date */
    pid_t master; /* whoever passes signals on to us, and no other, while it is our parent; 0 */
    const struct child_note *inner; /* of the command, where the child is another launcher */
};

/** Runs the command to its end, with this environment. */
struct child_result child_run(char *const command[], const struct child_options *options);

/** Goes on with a command that another process ran, whose children are ours now. */
struct child_result child_adopt(const struct child_options *options);

/** One of the signals came. */
bool child_interrupted(void);

/** Waits, unless or until one of them comes. */
void child_sleep(int ms);

#endif
