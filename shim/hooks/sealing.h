/*
 * sealing: which prctl(2) may end the process, or raise a signal, for a system call that it did
 * not make itself.
 */
#ifndef SEALING_H
#define SEALING_H

#include <stdbool.h>
#include <sys/prctl.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH /* linux/prctl.h, since 5.11 */
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

/**
 * A seccomp filter, or SIGSYS for each call from outside a range of addresses, as emulators and
 * interposers ask for (Documentation/admin-guide/syscall-user-dispatch.rst); 0 ends that.
 */
static inline bool sealing(unsigned long option, unsigned long first)
{
    return option == PR_SET_SECCOMP || (option == PR_SET_SYSCALL_USER_DISPATCH && first != 0);
}

#endif
