/*
 * config: what the environment asks for.
 *
 * Owns: the NOTIMEWAIT_ variables, what each accepts, and the line that a bad one gets.
 * Pure: no global, no malloc, no system call; the launcher parses with the same code.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include "policy.h"

#include <stdbool.h>

struct config {
    struct policy policy;     /* NOTIMEWAIT_POLICY */
    bool override_app_linger; /* NOTIMEWAIT_LINGER=override */
    const char *log; /* NOTIMEWAIT_LOG: "stderr" or a file, or NULL; points into environ */
};

/** Room for the longest line about a bad configuration. */
#define CONFIG_ERROR_SIZE 512

/**
 * Reads every NOTIMEWAIT_ variable of `environ` into *config. An empty one counts as unset.
 * Returns true, or false with in `error` one line (no newline) that names the variable, the
 * offending text and what is accepted; *config is then what an empty environment gives, but
 * off.
 */
bool config_parse(char *const environ[], struct config *config, char error[CONFIG_ERROR_SIZE]);

/** Parses one policy as NOTIMEWAIT_POLICY takes it; false when it is none. */
bool config_policy(const char *value, struct policy *policy);

#endif
