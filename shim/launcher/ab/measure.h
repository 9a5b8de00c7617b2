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
 * signal came meanwhile. Its connections are added to the leftovers. Returns how it ended.
 */
struct child_result measure_once(char *const command[], const struct child_options *how,
                                 struct series *arm, struct leftovers *leftovers,
                                 bool contaminated);

/** While the command runs: adds a run of what it has told so far, which lacks what is asked
 * only at the end. */
void measure_so_far(struct series *arm);

/** While the command runs: drops its records, which nobody will read. */
void measure_drop(void);

/** Removes the directory. */
void measure_end(void);

#endif
