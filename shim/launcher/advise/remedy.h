/*
 * remedy: what to do about the TIME_WAIT entries that were watched.
 *
 * Owns: the choice, the least invasive one first, and the figures behind it. What cannot be
 * known from outside is said to be unknown.
 */
#ifndef REMEDY_H
#define REMEDY_H

#include "launcher/ab/figures.h"
#include "launcher/advise/watch.h"
#include "launcher/check/verdict.h"

/** Prints the remedy in its first line, then why, then the figures. `verdict`: how the command
 * is reached, or NULL where none was named. `seen`: the command's one run under the library,
 * with the plain close, or none. */
void remedy_print(const struct watched *watched, const struct verdict *verdict,
                  const struct series *seen);

/** After that: nothing in it is known to be of the process that was named. */
void remedy_print_unseen(void);

#endif
