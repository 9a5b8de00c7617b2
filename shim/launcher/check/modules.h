/*
 * modules: libraries that only a program's configuration names, beside it.
 *
 * Owns: where such are, by the program's name: lib/NAME/modules, and the like.
 */
#ifndef MODULES_H
#define MODULES_H

#include <limits.h>
#include <stdbool.h>

/** The first one of which `is` says so; "" where there is none. */
void modules_find(const char *program, bool (*is)(const char *path), char found[PATH_MAX]);

#endif
