/*
 * process: this process, and who else may hold its sockets.
 *
 * Owns: the pid that the connection table belongs to; the epoch, a number that grows whenever
 * another process may have got copies of our fds (a socket is ours alone only while the epoch
 * is what it was before the socket was made); the hold, during which no such copy is made; and
 * whether the library may act at all. Atomic variables only: a signal handler that interrupts
 * any of this never waits for what it interrupted.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * Records the pid and the program, and registers for fork(); called once, before main.
 * `in_child` (or NULL) is called in the child of a fork that ran no pthread_atfork() handlers.
 */
void process_init(void (*in_child)(void));

/** The pid of this process, without a system call. */
int process_pid(void);

/** The basename of AT_EXECFN, or of what fexecve(3) executed; at most 99 bytes of it. */
const char *process_program(void);

/** The soft limit RLIMIT_...; 0 where it cannot be told, UINT64_MAX where there is none. */
uint64_t process_limit(int resource);

/** The epoch: read it before the call that makes a socket. */
uint32_t process_epoch(void);

/** The epoch at which this process began: what is older was inherited. */
uint32_t process_first_epoch(void);

/**
 * Another process, or another fd, is about to get copies of our sockets: all that exist now
 * count as shared. Waits until no other thread holds (process_hold()), a second at most.
 */
void process_sharing(void);

/** The same afterwards, for the sockets that other threads made meanwhile. Does not wait. */
void process_shared(void);

/** Both, around a call that returns soon: in between no hold begins, whatever the socket's age.
 */
void process_copying(void);
void process_copied(void);

/** Some thread is between those two, or the table of fds is not this process's alone. */
bool process_is_copying(void);

/**
 * From now on another process has our table of fds, too (clone(2), CLONE_FILES): what it copies
 * there is not seen here. For good, also in children: no socket counts as ours alone.
 */
void process_divides_fds(void);

/**
 * This thread gets a table of fds of its own (unshare(2)): where there are others, one fd may
 * be two sockets from now on, and the same follows.
 */
void process_parts_from_fds(void);

extern _Atomic uint32_t process_holders __attribute__((visibility("hidden")));

void process_wait_while_held(void);

/** One socket is about to be copied, and is marked as shared: only the waiting. */
static inline void process_wait_for_holders(void)
{
    if (__builtin_expect(atomic_load(&process_holders) != 0, 0))
        process_wait_while_held();
}

/** clone() or SYS_clone makes a thread: it shares our table of fds. */
void process_has_thread(void);

extern _Atomic bool process_threads __attribute__((visibility("hidden")));

/** Such a thread may have its maker's thread-local storage (clone(2) without CLONE_SETTLS). */
static inline bool process_may_share_storage(void)
{
    return atomic_load(&process_threads);
}

/** No other thread shares our table of fds, as far as libc and the hooks know. */
bool process_is_one_thread(void);

/** This process is the child of a fork that ran no pthread_atfork() handlers. */
void process_is_unseen_child(void);

/**
 * Between an abortive lever and the close() that it is for. Whoever wants to copy sockets waits
 * for its end, so it must be short: the thread cannot be cancelled meanwhile and takes no
 * signal but those of its own instructions (signals.h). A handler of these that leaves by
 * siglongjmp() leaves the hold in force.
 */
struct process_hold {
    uint64_t signals; /* the thread's mask, as the kernel has it */
    int cancel;
};

void process_hold(struct process_hold *hold);
void process_let_go(const struct process_hold *hold);

/**
 * Around a few system calls with a file of ours open: a fork in another thread waits for its
 * end, and this for the end of a fork, a moment at most: otherwise the child would have that
 * fd.
 */
void process_opening(void);
void process_opened(void);

/** Around a fork: the same as process_copying(), and no file of ours is open. */
void process_forking(void);
void process_forked(void);

/* --- whether the library may act --- */

extern _Atomic uint32_t process_seals __attribute__((visibility("hidden")));

/** The program installed a seccomp filter: no system call of ours any more. */
static inline bool process_is_sealed(void)
{
    return atomic_load_explicit(&process_seals, memory_order_relaxed) > 0;
}

/**
 * The program is about to install a filter. In a child that shares our memory, it is the
 * child's alone: the process of the table goes on.
 */
void process_seal(void);

/** It was not installed. */
void process_unseal(void);

/** A thread may be in another network namespace than its sockets: their ports say nothing. */
void process_goes_elsewhere(void);
bool process_is_elsewhere(void);

/**
 * This thread, or a child of it that shares our memory, went through vfork(), or clone() with
 * CLONE_VM. Of the thread: such a child has its parent's thread-local storage.
 */
extern _Thread_local bool process_maybe_vforked
    __attribute__((visibility("hidden"), tls_model("initial-exec")));

/** This thread is about to call vfork() or the like. */
static inline void process_vforking(void)
{
    process_maybe_vforked = true;
}

/**
 * The same of clone() with CLONE_VM and without CLONE_VFORK: parent and child run at the same
 * time, with one thread-local storage, so from now on each call in it asks for the pid.
 */
void process_sharing_memory(void);

/** The same, with one getpid(): whether we are still, or again, the process of the table. */
bool process_is_ours_after_vfork(void);

/**
 * Whether the connection table belongs to this process: false in a child of vfork(), which
 * runs in our memory but with fds of its own. A child that clone() made as fork() does becomes
 * a process of its own when it first asks.
 */
static inline bool process_is_ours(void)
{
    return !__builtin_expect(process_maybe_vforked, 0) || process_is_ours_after_vfork();
}

/**
 * The same of a child that no hook saw being made, which becomes a process of its own here
 * unless it shares our memory. One getpid().
 */
bool process_has_our_pid(void);

/** Whether system calls of our own may be made, about fds of our own. */
static inline bool process_may_act(void)
{
    return !process_is_sealed() && process_is_ours();
}

#endif
