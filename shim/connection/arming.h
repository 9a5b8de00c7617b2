/*
 * arming: what is set on a socket long before its close.
 *
 * Owns: TCP_LINGER2 as the policy wants it (fin-rst), set at birth and taken back; and whose
 * linger prevails, the application's or the policy's (NOTIMEWAIT_LINGER). Callers have claimed
 * the connection or are its only closer.
 */
#ifndef ARMING_H
#define ARMING_H

#include "connection/conn.h"

/** The application set a linger of its own, and it is respected: no lever is pulled. */
bool arming_app_lingers(struct conn *c);

/** The close of c, behind fd, may wait: by the application's linger, or the policy's. */
bool arming_may_linger(int fd, struct conn *c);

/** At birth: sets TCP_LINGER2 to -1 where the policy wants that. */
void arming_at_birth(int fd, struct conn *c);

/**
 * An accepted socket inherits TCP_LINGER2 (fact 9): takes back what is not the policy's.
 * `listener`: NULL where we did not see it being made.
 */
void arming_inherited(int fd, struct conn *c, struct conn *listener);

/** Sets it, or takes it back, after the application set a linger; linger2: TCP_LINGER2. */
void arming_app_changed(int fd, struct conn *c, bool linger2);

/** Takes TCP_LINGER2 back where we set it. */
void arming_undo(int fd, struct conn *c);

/** NOTIMEWAIT_LINGER=override, at the close: takes back the application's own linger. */
void arming_override_app(int fd, struct conn *c);

/** For a supervisor, who would see to the socket, too; c is NULL where it is not recorded. */
void arming_mark_as_seen(int fd, const struct conn *c);

#endif
