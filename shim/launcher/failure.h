/*
 * failure: the launcher's own exit statuses, and the line about a command that did not start.
 */
#ifndef FAILURE_H
#define FAILURE_H

/** Exit statuses of the launcher itself; any other one is the command's. */
enum {
    EXIT_FAILED = 1,       /* ab: a run could not be made; check: it cannot work */
    EXIT_USAGE = 2,        /* bad usage or configuration, or a refusal: nothing was started */
    EXIT_CANNOT_RUN = 126, /* as a shell does (POSIX XCU 2.8.2) */
    EXIT_NOT_FOUND = 127,
    EXIT_INTERRUPTED = 130,
};

/** Says why the command could not be started, `error` being exec's errno; returns the status.
 */
int failure_not_started(const char *command, int error);

#endif
