/*
 * verdict: whether a command can be reached, by which way, and why.
 *
 * Owns: what follows from the files (inspect.h, bypass.h) and from what is allowed here.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include "launcher/check/bypass.h"
#include "launcher/inspect.h"
#include "launcher/supervise/possible.h"

#include <stddef.h>

enum reached { REACHED_BY_PRELOAD, REACHED_BY_SUPERVISION, REACHED_IN_PART, NOT_REACHED };

struct verdict {
    enum reached reached;
    bool known; /* all of it could be looked at */
    char why[2 * PATH_MAX];
    const char *advice; /* or "" */
    int supervision;    /* 0: possible here, or an errno */
    struct possible_features features;
    bool has_library;    /* it was found */
    const char *command; /* or NULL: this host */
    struct inspection inspection;
    struct bypass_found found[BYPASSES];
    char remarks[REMARKS][PATH_MAX]; /* see bypass_find_remarks() */
};

/** The first words of the first line, and the value in JSON. */
extern const char *const reached_texts[];
extern const char *const reached_names[];

/** Of the command that execvp(3) would find, or of this host where it is NULL. */
void verdict_find(const char *command, const struct library *library, struct verdict *verdict);

#endif
