/*
 * levers: what is done to a socket so that its close acts by policy.
 *
 * Owns: the setsockopt() and recv() calls that change a socket, and the waits before a close.
 * Does not own: whether they may be used (policy.h, ending.h).
 */
#ifndef LEVERS_H
#define LEVERS_H

#include "policy/policy.h"

#include <stdbool.h>

/** SO_LINGER {1,0}: close sends RST (RFC 9293, section 3.10.5, ABORT). */
bool lever_rst(int fd);

/** TCP_LINGER2 -1: close sends FIN, and RST once that is acknowledged (tcp_close()). */
bool lever_fin_rst(int fd);

/** Takes lever_fin_rst() back: TCP_LINGER2 0, the system's default. */
bool lever_fin_rst_off(int fd);

/** SO_LINGER {1,seconds}: close blocks until the FIN is acknowledged. */
bool lever_linger(int fd, uint32_t seconds);

/**
 * Tells a supervisor (launcher/supervise/) that this TCP socket is seen to from inside:
 * SO_NO_CHECK, which means nothing to TCP, and which no program sets there.
 */
void lever_mark_as_seen(int fd);

/** SO_LINGER {0,0}: takes back what the application set. */
bool lever_linger_off(int fd);

/** What the socket belongs to. */
struct lever_owner {
    bool (*is_sole)(void *of); /* nobody else, and no other fd, has the socket */
    void (*hold)(void *of);    /* from now on nobody copies it (process_hold()) */
    void (*let_go)(void *of);
    void *of;
};

/**
 * Brings a connection, and the facts about it, to where policy_decide() can decide: discards
 * input or waits, as `what` says, for at most policy->argument ms; no longer than until another
 * thread has installed a filter (process_is_sealed()), or a copy of the socket was made, whose
 * input it is, too. What it discarded last is discarded in a hold, which is still in force.
 */
void lever_prepare(int fd, enum prepare what, const struct policy *policy,
                   const struct lever_owner *owner, struct facts *facts);

#endif
