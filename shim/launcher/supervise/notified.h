/*
 * notified: what is done about one call of the program, before it goes on.
 *
 * Owns: which policy the connection, or the listening socket, gets, and which options of its
 * socket are set for that. What cannot be seen or may not be done is left alone: the call goes
 * on in any case.
 */
#ifndef NOTIFIED_H
#define NOTIFIED_H

#include "policy/config.h"

#include <linux/seccomp.h>
#include <stdbool.h>

/** Before the first call; `reaping`: reaper_add() takes cookies; `library`: it may mark
 * sockets.
 */
void notified_begin(const struct config *config, bool reaping, bool library);

/** What is known of a call that had to wait; all zero at its first try. */
struct attempt {
    unsigned tries;
    const struct policy *policy; /* drawn once */
    bool last;                   /* it cannot wait once more */
};

/** Acts for the call. False: it has to wait for a local port for some ms, and is to be handed
 * in again with its attempt. */
bool notified_act(int listener, const struct seccomp_notif *call, struct attempt *attempt);

/** The policy has to be carried out inside the program, at its close. */
bool notified_needs_library(const struct policy *policy);

#endif
