/*
 * guard: what keeps a write of ours from being noticed by the program.
 *
 * Owns: the signals that a write may cause (SIGPIPE, SIGXFSZ, SIGTTOU). They are blocked before
 * it, and taken away after it where it caused one. Two system calls, or three.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct guard {
    uint64_t before;  /* the thread's mask */
    uint64_t pending; /* of ours, those that were pending already: the program's own */
};

void guard_begin(struct guard *guard);

/** `failed`: the write may have caused a signal. */
void guard_end(struct guard *guard, bool failed);

#endif
