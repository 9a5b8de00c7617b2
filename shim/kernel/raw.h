/*
 * raw: system calls that no hook sees, neither ours nor another preloaded library's.
 *
 * By libc's own syscall(): no cancellation point, no lock, and the right way into the kernel on
 * every machine. errno is set as by the C functions.
 */
#ifndef RAW_H
#define RAW_H

#include "kernel/libc.h"

typedef long raw_function(long number, ...);

#define raw_call(...) (((raw_function *)next.syscall)(__VA_ARGS__))

#endif
