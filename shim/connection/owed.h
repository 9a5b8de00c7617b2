/*
 * owed: the FIN of a client's shutdown(), owed instead of sent (NOTIMEWAIT_SHUTDOWN=owed).
 *
 * shutdown() and close() in a row (Java's Socket.close()) leave TIME_WAIT where the peer's FIN
 * comes in between (fact 4). Owed, the FIN is left to a close() of the same fd that follows at
 * once; anything else pays it, by the real shutdown():
 *   - the next hooked call of the thread that owes it, whatever it is for;
 *   - a call of any thread that uses that fd, copies it, or makes another process or another
 *     program of this one;
 *   - a close() while another thread uses the fd (what the kernel then keeps open would never
 *     get its FIN), or when the socket is not ours alone;
 *   - a thread of ours, OWED_MS after the shutdown at the latest (and whatever it takes the
 *     system to run it). It is started by the first FIN that is owed, blocks all signals, and
 *     ends when none has been owed for a second.
 * Where there can be no such thread nothing is owed. errno is left as it was.
 *
 * Owns: the debts. owed_io.c sees to the calls that use an fd.
 */
#ifndef OWED_H
#define OWED_H

#include "connection/conn.h"

#include <stdatomic.h>
#include <stdbool.h>

#define OWED_MS 10

/** A FIN may be owed at all; set once, before main. */
extern bool owed_mode;

/** How many FINs are owed. */
extern _Atomic uint32_t owed_count;

/** Registers for fork(); called once, before main. */
void owed_init(void);

/** In the child of a fork that ran no pthread_atfork() handlers. */
void owed_reset(void);

/**
 * shutdown(fd, how) of a connection: whether it is owed from now on, the exchange being over: a
 * client of our own that read last, with nothing unread or unacked. Not async-signal-safe where
 * the thread has to be started (pthread_create()).
 */
bool owed_shutdown(int fd, struct conn *c, int how);

/** The real shutdown(), and what is to be remembered of it. */
int owed_not(int fd, struct conn *c, int how);

void owed_settle_mine(void);

/** All debts are paid: other processes, or another program, will have our sockets. */
void owed_settle_all(void);

/** In hooks: what this thread owes is paid. */
static inline void owed_settle(void)
{
    if (__builtin_expect(atomic_load_explicit(&owed_count, memory_order_relaxed) != 0, 0))
        owed_settle_mine();
}

/** The fd is used until owed_leave(): what this thread owes is paid, and what is owed by fd. */
void owed_enter(int fd);
void owed_leave(int fd);

static inline void owed_using(int fd)
{
    if (__builtin_expect(owed_mode, 0))
        owed_enter(fd);
}

static inline void owed_used(int fd)
{
    if (__builtin_expect(owed_mode, 0))
        owed_leave(fd);
}

/** The same of all fds at once. */
void owed_enter_any(void);
void owed_leave_any(void);

/** A close() that FINs may be left to. */
struct owed_close {
    bool began; /* the thread's cancellation is held until owed_closed() */
    int debt, cancel;
};

struct owed_close owed_close_begin(int fd);
void owed_close_end(struct owed_close *close);

/** Before close(fd): what is owed by fd is left to it; other debts of this thread are paid. */
static inline struct owed_close owed_closing(int fd)
{
    if (__builtin_expect(atomic_load_explicit(&owed_count, memory_order_relaxed) == 0, 1))
        return (struct owed_close){.began = false};
    return owed_close_begin(fd);
}

static inline void owed_closed(struct owed_close *close)
{
    if (__builtin_expect(close->began, 0))
        owed_close_end(close);
}

#endif
