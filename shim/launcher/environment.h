/*
 * environment: the variables that the command will see.
 */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include "policy/config.h"

/**
 * Reads the NOTIMEWAIT_ variables as the library will. Where one is bad it prints the library's
 * own line and returns false: nothing may be started then.
 */
bool environment_configuration(struct config *config);

/** Sets the variable, and removes any other one of the same name. */
void environment_set(const char *variable, const char *value);

/** Puts `first` before what the variable holds, with a colon between the two. */
void environment_prepend(const char *variable, const char *first);

#endif
