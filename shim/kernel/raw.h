/*
 * raw: system calls by their number that no hook sees.
 *
 * Owns: which syscall() they go through. In the library that is libc's own (raw.c), since the
 * name leads to our hook there; in the launcher, which has no hooks, it is the name
 * (launcher/raw.c).
 */
#ifndef RAW_H
#define RAW_H

#include <sys/syscall.h>

typedef long raw_function(long number, ...);

raw_function *raw_libc(void);

/** As syscall(2): -1 with errno. No cancellation point. */
#define raw_call(...) raw_libc()(__VA_ARGS__)

#endif
