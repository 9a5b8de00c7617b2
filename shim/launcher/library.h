/*
 * library: where libnotimewait.so is.
 *
 * It is looked for beside the launcher (a build directory), then in ../lib, then where it was
 * installed, first as seen from the launcher. An LD_PRELOAD that names one already is kept as
 * it is: so a user chooses another library, or one for each of several architectures ($LIB,
 * ld.so(8)).
 */
#ifndef LIBRARY_H
#define LIBRARY_H

#include <limits.h>
#include <stdbool.h>

struct library {
    char path[PATH_MAX]; /* as the loader gets it; "" when it is not found */
    const char *where;   /* "beside the launcher", ... */
    bool preset;         /* LD_PRELOAD names it already */
};

/** False, after a complaint, where it is not found or LD_PRELOAD cannot name its path. */
bool library_find(struct library *library);

#endif
