/*
 * memory: reads what the program hands to the kernel, before the kernel has looked at it.
 *
 * A bad pointer must be EFAULT for the program, never a crash of ours.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Copies `size` bytes from `from`. False where they cannot be read, or a seccomp filter of the
 * process keeps us from trying. No system call where they lie on this thread's stack, near
 * enough; one otherwise. errno is not preserved.
 */
bool memory_read(void *to, const void *from, size_t size);

#endif
