/*
 * reaper: tells `notimewait --reap` which connections are ours.
 *
 * Owns: the memory that the launcher gives us (NOTIMEWAIT_REAPER), into which the cookie of
 * each connection is noted. The launcher removes their TIME_WAIT entries, from outside the
 * program.
 */
#ifndef REAPER_H
#define REAPER_H

#include <stdbool.h>
#include <stdint.h>

/** Maps the launcher's memory, once, before main. One line where it is needed and not there. */
void reaper_open(void);

/** Whether there is a launcher that asks for cookies. */
bool reaper_listens(void);

/** A connection with this SO_COOKIE was born; no system call. */
void reaper_note(uint64_t cookie);

#endif
