/*
 * cloning: what follows from the flags of clone(2), whoever calls it.
 */
#ifndef CLONING_H
#define CLONING_H

#include "kernel/process.h"

#include <sched.h>

/**
 * Unless it is a thread, sharing our table of fds for good: others may part from it, by exec,
 * and copy what is in it, which is not seen here.
 */
static inline bool cloning_copies_fds(unsigned long flags)
{
    return (flags & (CLONE_FILES | CLONE_THREAD)) != (CLONE_FILES | CLONE_THREAD);
}

/** The call is about to be made. */
static inline void cloning(unsigned long flags)
{
    if (flags & CLONE_THREAD)
        process_has_thread();
    if (!cloning_copies_fds(flags))
        return;
    if (flags & CLONE_FILES)
        process_divides_fds();
    process_sharing();
    if ((flags & (CLONE_VM | CLONE_VFORK)) == CLONE_VM)
        process_sharing_memory();
    else
        process_vforking();
}

#endif
