/*
 * needed: the libraries that a program needs, and those need.
 *
 * Owns: where they are looked for: DT_RUNPATH, LD_LIBRARY_PATH, the directories of
 * ld.so.conf(5) and this launcher's libc's. libc and its parts are left out: what they call is
 * no program's.
 */
#ifndef NEEDED_H
#define NEEDED_H

#include "launcher/elf.h"

#include <limits.h>

/** Returns true to end the visits. */
typedef bool needed_visit(const char *path, const struct elf *elf, void *context);

/** Visits the file itself and what it needs, each once; whether a visit returned true. */
bool needed_each(const char *path, needed_visit *visit, void *context);

/** And the libraries whose names stand in one of these that has dlopen(): it may load them. */
bool needed_each_named(const char *path, needed_visit *visit, void *context);

/** What a walk could not look at; "" where there is none such. The first one of each. */
struct needed_missed {
    char unreadable[PATH_MAX]; /* a path: this user may not read it */
    char missing[PATH_MAX];    /* a name: it is in none of the directories */
};

/** Walks both ways, for these alone. */
void needed_find_missed(const char *path, struct needed_missed *missed);

/** The file is libc's, or the compiler's. */
bool needed_is_libc(const char *path);

/** A directory (its real path) where all programs' libraries are. */
bool needed_is_shared(const char *directory);

#endif
