/*
 * preload: LD_PRELOAD, for one command.
 *
 * Owns: that a command which the library would not reach is refused, and the order of what is
 * preloaded.
 */
#ifndef PRELOAD_H
#define PRELOAD_H

#include "launcher/library.h"

#include <stdbool.h>

/**
 * Sets LD_PRELOAD for the command; other libraries that it names stay, and come first. A
 * sanitizer's runtime that the command needs comes before all (it refuses to start otherwise).
 *
 * A command that the library does not reach is refused: returns false after a line that says
 * why and what would reach it, unless `anyway`: what it starts may then be reached, but nothing
 * is preloaded where its own loader could not load the library. A command that cannot be
 * started is not refused here: exec tells why.
 */
bool preload_command(const char *command, const struct library *library, bool anyway);

/** Whether the library reaches the command. */
bool preload_reaches(const char *command, const struct library *library);

#endif
