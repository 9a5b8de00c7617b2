/*
 * supervise: runs a command of which the kernel asks us before each connect() and listen().
 *
 * What is set on its sockets then acts in programs that no preloaded library reaches: static
 * ones, Go. Two processes hold the notification's fd, since every notified call fails with
 * ENOSYS once nobody does: the keeper, which is what the user started, and its child, the
 * worker, which is the command's parent and answers. Where one is killed, the other goes on.
 */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include "policy/config.h"

/** How it is supervised. */
struct supervision {
    const struct config *config;
    bool reap;    /* TIME_WAIT entries are removed, too */
    bool library; /* it may be in the programs, too */
};

/**
 * Complains and returns false of a configuration that supervision cannot carry out by itself.
 * `library`: the library is there as well, and carries out the rest.
 */
bool supervise_accepts(const struct config *config, bool library);

/** Complains and returns false of a command that would lose the rights which it gains by being
 * run: the filter forbids that, unless we have CAP_SYS_ADMIN. */
bool supervise_reaches(const char *command);

/** Runs the command until the last process that it started has ended. Returns its status;
 * EXIT_USAGE, after a line, where it cannot be supervised. */
int supervise_command(char *const command[], const struct supervision *supervision);

#endif
