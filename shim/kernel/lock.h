/*
 * lock: one thread of the process at a time looks after ports.
 *
 * Nobody waits for ever: connect() is async-signal-safe, and a signal handler may have
 * interrupted the holder, or take it away by longjmp(). Such a handler gets the lock, too: what
 * it must not find half done is done while signals are held back. Other threads that do not get
 * it do without, as does such a handler where it might be another thread
 * (process_may_share_storage()).
 */
#ifndef LOCK_H
#define LOCK_H

#include <stdbool.h>
#include <stdint.h>

enum lock_hold {
    LOCK_NOT_HELD, /* another thread has it */
    LOCK_HELD,
    LOCK_HELD_BELOW, /* by the code that this signal handler interrupted */
};

/**
 * After some yields it tries for about wait_ms more, but not where no system call may be made
 * (process_is_sealed()).
 */
enum lock_hold lock_take(unsigned wait_ms);

/** Nobody gets it any more: a signal handler took its holder away. */
bool lock_is_lost(void);

/** `hold`: what lock_take() returned. */
void lock_release(enum lock_hold hold);

/** Around what no handler may find half done. */
struct lock_signals {
    uint64_t mask; /* the thread's, as the kernel has it */
};

void lock_hold_signals(struct lock_signals *before);
void lock_let_signals(const struct lock_signals *before);

/** Before a fork, and after it in the parent: nobody else holds the lock meanwhile. */
void lock_forking(void);
void lock_forked(void);

/** In the child of a fork, which has one thread: the lock is free. */
void lock_reset(void);

/** Waits for so long, less than a second, whatever signals come. */
void lock_pause(long ms);

#endif
