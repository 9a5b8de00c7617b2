/*
 * reaper: the launcher as the parent of the command, that removes the TIME_WAIT entries which
 * the command's connections leave.
 *
 * The library tells us the cookies of its connections (NOTIMEWAIT_REAPER, kernel/cookies.h), so
 * that nothing is left by a process that is killed, that ends before its last connection has,
 * or that may not remove entries itself. Supervision tells us those that it sees, too.
 */
#ifndef LAUNCHER_REAPER_H
#define LAUNCHER_REAPER_H

#include <stdbool.h>
#include <stdint.h>

#define REAPER_TICK_MS 200

/** Complains and returns false where entries cannot be removed here. */
bool reaper_is_permitted(void);

/** From now on processes that are started may add to our set. False after a complaint. */
bool reaper_begin(void);

/** A connection whose entry is to be removed. */
void reaper_add(uint64_t cookie);

/** Removes what there is, at every tick. */
void reaper_remove(void);

/** The command has ended: removes what its last connections leave, for at most 2 s. */
void reaper_end(void);

/**
 * Runs the command, removes entries while it and what it started run, and then for at most 2 s
 * those of connections that still close. Returns the exit status: the command's, or EXIT_USAGE
 * where entries cannot be removed here.
 */
int reaper_run_command(char *const command[]);

#endif
