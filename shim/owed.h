/*
 * owed: the FIN of a client's shutdown(), owed instead of sent (NOTIMEWAIT_SHUTDOWN=owed).
 *
 * shutdown() and close() in a row (Java's Socket.close()) leave TIME_WAIT where the peer's FIN
 * comes in between (fact 4). Owed, the FIN is left to a close() of the same fd that follows at
 * once; anything else pays it, by the real shutdown():
 *   - the next hooked call of the thread that owes it, whatever it is for;
 *   - a call of any thread that makes another process, or another program of this one;
 *   - a thread of ours, OWED_MS after the shutdown at the latest (and whatever it takes the
 *     system to run it). It is started by the first FIN that is owed, and blocks all signals.
 * Where there can be no such thread nothing is owed. errno is left as it was.
 */
#ifndef OWED_H
#define OWED_H

#include "conn.h"

#include <stdatomic.h>
#include <stdbool.h>

#define OWED_MS 10

/** How many FINs are owed. */
extern _Atomic uint32_t owed_count;

/** Registers for fork(); called once, before main. */
void owed_init(void);

/** In the child of a fork that ran no pthread_atfork() handlers. */
void owed_reset(void);

/**
 * shutdown(fd, how) of a connection: whether it is owed from now on, the exchange being over: a
 * client of our own that read last, with nothing unread or unacked. Not async-signal-safe the
 * first time that it is (pthread_create()).
 */
bool owed_shutdown(int fd, struct conn *c, int how);

/** The real shutdown(), and what is to be remembered of it. */
int owed_not(int fd, struct conn *c, int how);

void owed_settle_mine(void);
void owed_settle_but(int fd);

/** All debts are paid: other processes, or another program, will have our sockets. */
void owed_settle_all(void);

/** In every hook: what this thread owes is paid. */
static inline void owed_settle(void)
{
    if (__builtin_expect(atomic_load_explicit(&owed_count, memory_order_relaxed) != 0, 0))
        owed_settle_mine();
}

/** In close(): the same, but for what is owed by fd: the close decides. */
static inline void owed_closing(int fd)
{
    if (__builtin_expect(atomic_load_explicit(&owed_count, memory_order_relaxed) != 0, 0))
        owed_settle_but(fd);
}

#endif
