/*
 * target: the thread that made a notified call: its sockets, its memory, its name.
 *
 * Owns: the pidfds by which a thread is known, some at a time. A number that another thread has
 * got since leads nowhere: a pidfd is of the thread that it was opened for.
 */
#ifndef TARGET_H
#define TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * A copy of the thread's fd, to be closed; -1 with errno: EBADF it has none of that number,
 * EPERM we may not (ptrace(2), PTRACE_MODE_ATTACH_REALCREDS), ESRCH it has ended. *known: it is
 * a thread that we have seen before, and so no other one that has got its number since.
 */
int target_fd(pid_t thread, int fd, bool *known);

/** Copies what lies at an address of the thread's memory; false where that is not all there. */
bool target_read(pid_t thread, uint64_t address, void *to, size_t size);

/** The basename of its AT_EXECFN, as the library calls the program; "" where it is not known.
 */
void target_program(pid_t thread, char *name, size_t size);

/** The process that the thread is of; 0: not known. */
pid_t target_process(pid_t thread);

/** In the child of a fork: others' pidfds are closed. */
void target_forget(void);

#endif
