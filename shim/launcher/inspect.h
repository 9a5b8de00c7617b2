/*
 * inspect: whether a preloaded library reaches a command.
 *
 * Owns: what that depends on: the file's mode and format, and for a script its interpreter's.
 */
#ifndef INSPECT_H
#define INSPECT_H

#include "launcher/library.h"

#include <limits.h>
#include <stdbool.h>

enum finding {
#define FINDING(id, ...) FINDING_##id,
#include "launcher/findings.def"
#undef FINDING
    FINDINGS
};

/** What a finding means for a preloaded library. */
enum reach {
    REACH_REACHED,
    REACH_NOT_REACHED, /* the command would run, but without it */
    REACH_NOT_STARTED, /* the command cannot be started at all */
    REACH_NOT_KNOWN,
};

struct finding_info {
    enum reach reach;
    const char *what, *advice;
};

extern const struct finding_info findings[FINDINGS];

/** Rights come with being run: the loader drops LD_PRELOAD, and no_new_privs forbids it. */
static inline bool finding_gains_rights(enum finding finding)
{
    return finding == FINDING_SETUID || finding == FINDING_CAPABILITIES ||
           finding == FINDING_SNAP;
}

#define CHAIN_MAX 6

/** The command, then the interpreter that runs it, and so on. */
struct inspection {
    struct inspected {
        char path[PATH_MAX];
        enum finding finding;
        char detail[96];  /* "64-bit x86-64, glibc", or "" */
        char runtime[64]; /* the sanitizer's runtime that has to be loaded first, or "" */
    } chain[CHAIN_MAX];
    unsigned count;
};

/** Looks at the command that execvp(3) would find. Returns the last one of the chain, which
 * decides. */
const struct inspected *inspect(const char *command, const struct library *library,
                                struct inspection *inspection);

#endif
