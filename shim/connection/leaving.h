/*
 * leaving: what is told when the process ends: the records of its connections that are still
 * open, and the statistics. Pulls no lever: those are closed by the kernel.
 */
#ifndef LEAVING_H
#define LEAVING_H

#include <stdbool.h>

/** Reports what the process leaves open at its end. */
void leaving_at_exit(void);

/**
 * The process may end in daemon(): tells what it has counted. What it leaves open is its
 * child's. False where nothing was to be told.
 */
bool leaving_at_daemon(void);

#endif
