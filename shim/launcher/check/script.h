/*
 * script: which program a shell's script becomes.
 *
 * Owns: the little of a shell's language that is read for that: assignments, and exec. Nothing
 * is run, no branch is decided: what is found is a guess.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <limits.h>
#include <stdbool.h>

/** The interpreter at this path is a shell. */
bool script_is_of_shell(const char *interpreter);

/** The first word behind an `exec` of the script, with its variables as they were assigned
 * before; false where there is none that is known. */
bool script_find_exec(const char *script, char program[PATH_MAX]);

#endif
