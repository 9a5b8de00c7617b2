/*
 * memory: memory of our own, where malloc() may not be called; and reading what the program
 * hands to the kernel, before the kernel has looked at it.
 *
 * A bad pointer must be EFAULT for the program, never a crash of ours.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

enum memory {
    MEMORY_READ,
    MEMORY_BAD,     /* it cannot be read: the kernel will say EFAULT, too */
    MEMORY_REFUSED, /* a seccomp filter, for one, keeps us from trying */
};

/** Where the program's own data is, and its heap begins: at start-up. */
void memory_init(void);

/**
 * Copies `size` bytes from `from`. No system call where they lie on the first thread's stack,
 * or near enough on another's; a cheap one, or two, in the program's static data and in the
 * heap that brk(2) makes; process_vm_readv(2) elsewhere. errno is not preserved.
 */
enum memory memory_read(void *to, const void *from, size_t size);

#endif
