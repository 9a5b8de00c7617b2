/*
 * owner: which sockets this process alone holds.
 *
 * Owns: the pid that the connection table belongs to, the program's name, and the epoch: a
 * number that grows
 * whenever another process may have got copies of our fds. A socket is ours alone only while
 * the epoch is what it was before the socket was made. Reads and increments are atomic: no
 * locks.
 */
#ifndef OWNER_H
#define OWNER_H

#include <stdbool.h>
#include <stdint.h>

/** The pid of this process, without a system call. */
int owner_pid(void);

/** Records the pid and registers for fork(); called once, before main. */
void owner_init(void);

/** Finds the program's name; called once, before main. */
void process_find_program(void);

/** The basename of AT_EXECFN (getauxval(3)), cut to 99 bytes so that it fits a record. */
const char *process_program(void);

/** The epoch: read it before the call that makes a socket. */
uint32_t owner_epoch(void);

/** The epoch at which this process began: what is older was inherited. */
uint32_t owner_first_epoch(void);

/** All sockets that exist now may be held by another process, too. */
void owner_shared_all(void);

/** clone() or SYS_clone makes a thread: it shares our table of fds. */
void owner_has_thread(void);

/** No other thread shares our table of fds, as far as libc and the hooks know. */
bool owner_is_one_thread(void);

/** This process is the child of a fork that ran no pthread_atfork() handlers. */
void owner_is_child(void);

/**
 * Whether the table belongs to this process: false in a child of vfork(), which runs in our
 * memory but with fds of its own, and in one of a raw clone(). One getpid().
 */
bool owner_is_me(void);

#endif
