/*
 * options: how the options of every sub-command are read, and the help.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <getopt.h>

/** The options that every sub-command has; options_next() serves them. */
/* clang-format off */
#define COMMON_OPTIONS                                                                         \
    {"help", no_argument, NULL, 'h'},                                                          \
    {"version", no_argument, NULL, 'V'}
#define COMMON_LETTERS "+:h"
/* clang-format on */

/**
 * getopt_long() up to the command; `letters` begins with COMMON_LETTERS. Returns -1 behind the
 * last option, and '?' after a complaint. Help and version end the launcher.
 */
int options_next(int argc, char **argv, const char *letters, const struct option *names);

/** `status`, or EXIT_FAILED after a complaint where stdout could not be written. */
int options_stdout_status(int status);

#endif
