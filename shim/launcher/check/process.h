/*
 * process: what the library, or a supervisor, does in a process that runs.
 */
#ifndef CHECK_PROCESS_H
#define CHECK_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/** Prints it; returns the exit status. */
int check_process(pid_t process, bool json);

#endif
