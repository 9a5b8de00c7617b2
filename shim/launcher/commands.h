/*
 * commands: the list of sub-commands (commands.def).
 *
 * Each gets its own arguments, argv[0] being its name, and returns the exit status.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdbool.h>

#define COMMAND(name, ...) int name##_main(int argc, char **argv);
#include "launcher/commands.def"
#undef COMMAND

/** Runs a command under the library: what `notimewait` does where no sub-command is named. */
int run_main(int argc, char **argv);

/** Whether a sub-command has this name. */
bool commands_is_name(const char *word);

#endif
