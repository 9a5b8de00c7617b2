/*
 * config: what the environment asks for.
 *
 * Owns: the NOTIMEWAIT_ variables, what each accepts, and the line that a bad one gets.
 * Pure: no global, no malloc, no system call; the launcher parses with the same code.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include "policy/policy.h"
#include "policy/rules.h"

#include <stdbool.h>

/** What an arm is drawn for. */
enum split_by { SPLIT_BY_CONNECTION, SPLIT_BY_PROCESS, SPLIT_BY_SLOT };

struct config {
    struct policies policies; /* all that occur below */
    struct split split;       /* NOTIMEWAIT_POLICY */
    struct rules rules;       /* NOTIMEWAIT_RULES */
    bool override_app_linger; /* NOTIMEWAIT_LINGER=override */
    bool drop_deepbind;       /* NOTIMEWAIT_DEEPBIND=drop */
    bool no_recycling;        /* NOTIMEWAIT_RECYCLE=off */
    const char *reaper;       /* NOTIMEWAIT_REAPER: a file, or NULL; in environ */
    bool supervised;          /* NOTIMEWAIT_SUPERVISOR is set */
    const char *log;          /* NOTIMEWAIT_LOG: "stderr" or a file, or NULL; in environ */
    const char *stats;        /* NOTIMEWAIT_STATS, likewise */
    const char *board;        /* NOTIMEWAIT_BOARD: a directory, or the launcher's file */
    enum split_by split_by;   /* NOTIMEWAIT_SPLIT */
    uint32_t slot_seconds;    /* of SPLIT_BY_SLOT */
    bool seeded;              /* NOTIMEWAIT_SEED is set */
    uint64_t seed;
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

/**
 * The name of variable number i, from 0, and in *preset what is in force where it is not set;
 * NULL behind the last.
 */
const char *config_variable(unsigned i, const char **preset);

/** Some policy of the configuration is another than off. */
bool config_acts(const struct config *config);

#endif
