/*
 * launcher: what the launcher's files share: its sub-commands, and its options.
 *
 * A sub-command gets its own arguments, argv[0] being its name, and returns the exit status.
 */
#ifndef LAUNCHER_H
#define LAUNCHER_H

#include <getopt.h>

/** Exit statuses of the launcher itself; others are the command's. */
enum {
    EXIT_FAILED = 1,       /* ab: a run could not be made; check: it cannot work */
    EXIT_USAGE = 2,        /* bad usage or configuration: nothing was started */
    EXIT_CANNOT_RUN = 126, /* as a shell does (POSIX XCU 2.8.2) */
    EXIT_NOT_FOUND = 127,
    EXIT_INTERRUPTED = 130,
};

int run_main(int argc, char **argv);
int ab_main(int argc, char **argv);
int check_main(int argc, char **argv);

/** The options that every sub-command has; next_option() serves them. */
/* clang-format off */
#define COMMON_OPTIONS                                                                         \
    {"help", no_argument, NULL, 'h'},                                                          \
    {"version", no_argument, NULL, 'V'}
/* clang-format on */

/**
 * getopt_long() up to the command; `letters` begins with "+:". Returns -1 behind the last
 * option, and '?' after a complaint.
 */
int next_option(int argc, char **argv, const char *letters, const struct option *names);

#endif
