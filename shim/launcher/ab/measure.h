/*
 * measure: one run of the command, and its figures.
 *
 * Owns: the files that the library writes to during the run, and the questions to the kernel
 * before and after it.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include "launcher/ab/figures.h"
#include "launcher/ab/leftovers.h"
#include "launcher/child.h"

#include <stdbool.h>

/** Makes the directory; false after a complaint. */
bool measure_begin(void);

/**
 * Runs the command under the arm's policy, as `how` says, and adds the run to the arm, unless a
 * signal came meanwhile. Its connections are added to the leftovers. Returns 0, or the errno
 * for which the command could not be started.
 */
int measure_once(char *const command[], const struct child_options *how, struct series *arm,
                 struct leftovers *leftovers, bool contaminated);

/** Removes the directory. */
void measure_end(void);

#endif
