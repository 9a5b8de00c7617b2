/*
 * library: where libnotimewait.so is.
 *
 * Beside the launcher (a build directory), else in ../lib, else where it was installed. An
 * LD_PRELOAD that names one already is kept as it is: so one chooses another, or one for each
 * of several architectures ($LIB, ld.so(8)).
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

/** False, after a complaint, when it is nowhere or the loader could not be told of it. */
bool library_find(struct library *library);

#endif
