/*
 * reap: removes the TIME_WAIT entries that a policy could not prevent (facts 4 and 6), where
 * that is permitted, and those of the policy reap.
 *
 * Owns: which connections' entries may be removed, and when that is tried: at the close of a
 * half-closed connection; once a second, when a connection is born or ends; when there is no
 * port left; and at exit. Only entries in TIME_WAIT with the SO_COOKIE of a connection of this
 * process are removed: no living socket, no later one of the same addresses. errno is left as
 * it was. No locks that wait, no malloc: async-signal-safe.
 */
#ifndef REAP_H
#define REAP_H

#include "connection/conn.h"

#include <stdbool.h>
#include <stddef.h>

/** Asks whether this process may (CAP_NET_ADMIN); one line where NOTIMEWAIT_REAP=on may not. */
void reap_init(void);

/** In a child of fork(). */
void reap_reset(void);

/** Entries may be removed, as far as is known. */
bool reap_allowed(void);

/** The entry of c, should there be one, will be removed. */
void reap_note(const struct conn *c);

/** The application wants the connection to end in its own way. */
void reap_forget(const struct conn *c);

/** Before shutdown() of the writing half: its addresses, which the kernel may soon not tell. */
void reap_half_closing(int fd, struct conn *c);

/**
 * fd, half-closed by the application, is about to be closed. The peer's FIN may have made it a
 * TIME_WAIT entry already (fact 4): removes that. Returns whether it did.
 */
bool reap_half_closed(int fd, const struct conn *c);

/** A connection was born, or has ended: looks for entries if it is time to. */
void reap_tick(void);

/** connect() found no port (EADDRNOTAVAIL). Returns whether entries were removed: try again. */
bool reap_for_port(void);

/** Another program is about to take the process over; it will not know the connections. */
void reap_at_exec(void);

/** The process ends. Under the policy reap it waits, at most 100 ms, for what still closes. */
void reap_at_exit(void);

/** How many entries were removed by this process. */
uint64_t reap_count(void);

#endif
