/*
 * reaper: tells `notimewait --reap` which connections are ours.
 *
 * Owns: the way into the set of cookies that the launcher holds (NOTIMEWAIT_REAPER). The
 * launcher removes their TIME_WAIT entries, from outside the program.
 */
#ifndef REAPER_H
#define REAPER_H

#include <stdbool.h>
#include <stdint.h>

/** Reaches for the launcher's set, once, before main. One line where it is needed and absent.
 */
void reaper_open(void);

/** Whether there is a launcher that asks for cookies. */
bool reaper_listens(void);

/** A connection with this SO_COOKIE was born. Two system calls where a launcher listens. */
void reaper_note(uint64_t cookie);

#endif
