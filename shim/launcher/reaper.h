/*
 * reaper: the command, run by a parent that removes the TIME_WAIT entries it leaves.
 *
 * The library notes its connections' cookies in memory that it shares with us
 * (NOTIMEWAIT_REAPER), so that nothing is left by a process that is killed, ends before its
 * last connection has, or may not remove entries itself.
 */
#ifndef REAPER_H
#define REAPER_H

/** Returns the exit status: the command's, or EXIT_USAGE where entries cannot be removed. */
int reaper_run(char *const command[]);

#endif
