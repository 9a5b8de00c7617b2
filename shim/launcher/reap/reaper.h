/*
 * reaper: the launcher as the parent of the command, that removes the TIME_WAIT entries which
 * the command's connections leave.
 *
 * The library tells us the cookies of its connections (NOTIMEWAIT_REAPER, kernel/cookies.h), so
 * that nothing is left by a process that is killed, that ends before its last connection has,
 * or that may not remove entries itself.
 */
#ifndef LAUNCHER_REAPER_H
#define LAUNCHER_REAPER_H

/**
 * Runs the command, removes entries while it and what it started run, and then for at most 2 s
 * those of connections that still close. Returns the exit status: the command's, or EXIT_USAGE
 * where entries cannot be removed here.
 */
int reaper_run_command(char *const command[]);

#endif
