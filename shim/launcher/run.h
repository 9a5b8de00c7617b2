/*
 * run: the environment of the command, and its start in place of the launcher.
 */
#ifndef RUN_H
#define RUN_H

#include "policy/config.h"

/**
 * Reads the NOTIMEWAIT_ variables as the library will. False, after the library's own line,
 * when one is bad: nothing may be started then.
 */
bool run_configuration(struct config *config);

/** Sets the variable, which must then be the only one of its name. */
void run_set(const char *variable, const char *value);

/** Complains that the command could not be started, `error` being why; returns the status. */
int run_failed(const char *command, int error);

#endif
