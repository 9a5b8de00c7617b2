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
#define REMARK(...)
#include "launcher/check/bypass.def"
#undef BYPASS
#undef REMARK
    BYPASSES
};

enum remark {
#define BYPASS(...)
#define REMARK(id, ...) REMARK_##id,
#include "launcher/check/bypass.def"
#undef BYPASS
#undef REMARK
    REMARKS
};

struct bypass_info {
    const char *name, *what, *advice, *otherwise;
};

struct remark_info {
    const char *name, *label, *what;
};

extern const struct bypass_info bypasses[BYPASSES];
extern const struct remark_info remarks[REMARKS];

/** What was found; path is "" where it was not. */
struct bypass_found {
    char path[PATH_MAX]; /* of the file that does it */
    char detail[512];    /* for DEEPBIND: what it may load, as far as that connects; or "" */
};

/** Looks at the program at this path. Returns whether there is anything. */
bool bypass_look(const char *program, struct bypass_found found[BYPASSES]);

/** Looks at one file alone, as `path`, which is opened at `at`: one that a process has mapped.
 */
void bypass_look_at(const char *path, const char *at, struct bypass_found found[BYPASSES]);

/** What to do about it, where supervision is possible or not. */
static inline const char *bypass_advice(int bypass, bool supervision)
{
    return supervision ? bypasses[bypass].advice : bypasses[bypass].otherwise;
}

bool bypass_any(const struct bypass_found found[BYPASSES]);

/** What there is to remark: for each the path of the program, or of what it needs, that does
 * it; "" where it is not found. As far as the files show. */
void bypass_find_remarks(const char *program, char found[REMARKS][PATH_MAX]);

#endif
