/*
 * bypass: what a program does that a preloaded library does not see (bypass.def).
 *
 * Owns: how its file, and those that it needs, show that. They are read, not run, and what they
 * do not show is not found.
 */
#ifndef BYPASS_H
#define BYPASS_H

#include <limits.h>
#include <stdbool.h>

enum bypass {
#define BYPASS(id, ...) BYPASS_##id,
#include "launcher/check/bypass.def"
#undef BYPASS
    BYPASSES
};

struct bypass_info {
    const char *name, *what, *advice;
};

extern const struct bypass_info bypasses[BYPASSES];

/** What was found; path is "" where it was not. */
struct bypass_found {
    char path[PATH_MAX]; /* of the file that does it */
    char detail[256];    /* for DEEPBIND: what it may load, as far as that connects; or "" */
};

/** Looks at the program at this path. Returns whether there is anything. */
bool bypass_look(const char *program, struct bypass_found found[BYPASSES]);

/**
 * Finds the program, or what it needs, that has signals interrupt its calls, as far as the file
 * shows: under supervision these calls may say EINTR (fact 18). "": none.
 */
void bypass_find_interrupts(const char *program, char found[PATH_MAX]);

#endif
