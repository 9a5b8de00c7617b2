/*
 * inspect: whether the library can be preloaded into a command.
 *
 * Owns: what is looked at: the file's mode, its format, and for a script its interpreter's.
 */
#ifndef INSPECT_H
#define INSPECT_H

#include "library.h"

#include <limits.h>
#include <stdbool.h>

enum finding {
#define FINDING(id, ...) FINDING_##id,
#include "findings.def"
#undef FINDING
    FINDINGS
};

struct finding_info {
    bool works;
    const char *what, *advice;
};

extern const struct finding_info findings[FINDINGS];

#define CHAIN_MAX 6

/** The command, and the interpreters that run it. */
struct inspection {
    struct inspected {
        char path[PATH_MAX];
        enum finding finding;
        char detail[96]; /* "64-bit x86-64, glibc", or "" */
    } chain[CHAIN_MAX];
    unsigned count;
};

/** As execvp(3) would find it. Returns whether it works, which is what the last one says. */
bool inspect(const char *command, const struct library *library, struct inspection *inspection);

#endif
