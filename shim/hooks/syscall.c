/*
 * syscall: system calls by their number, which some programs make to close an fd (libuv:
 * SYS_close) where close() would be a cancellation point.
 *
 * Only what ends a connection, shares it, or forbids us to act is looked at.
 */
#include "connection/ending.h"
#include "connection/leaving.h"
#include "connection/table.h"
#include "hooks/cloning.h"
#include "hooks/jump.h"
#include "hooks/sealing.h"
#include "kernel/libc.h"
#include "kernel/memory.h"
#include "kernel/raw.h"
#include "report/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef JUMP_CODE

/* linux/seccomp.h, which not every libc comes with */
#ifndef SECCOMP_SET_MODE_STRICT
#define SECCOMP_SET_MODE_STRICT 0
#define SECCOMP_SET_MODE_FILTER 1
#endif
#ifndef SECCOMP_FILTER_FLAG_TSYNC
#define SECCOMP_FILTER_FLAG_TSYNC (1UL << 0)
#endif
#define NEW_LISTENER (1UL << 3) /* SECCOMP_FILTER_FLAG_... */

/* linux/close_range.h */
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif

/* linux/net.h, neither */
#define SOCKETCALL_SENDMSG  16
#define SOCKETCALL_SENDMMSG 20

/** The program's own call, which goes on to whoever is behind us. */
static raw_function *next_syscall(void)
{
    return (raw_function *)next.syscall;
}

static long close_by_number(long number, int fd)
{
    struct conn *c = table_peek(fd);
    if (c == TABLE_NO_TCP && process_is_ours())
        table_remove(fd, c);
    struct ending ending = {.gone = false};
    bool ends =
        table_is_conn(c) && ending_begin(&ending, fd, (struct ending_way){.via = VIA_CLOSE});
    long r = ending.gone ? 0 : next_syscall()(number, fd);
    if (ends)
        ending_finish(&ending, true);
    return r;
}

/** Of struct clone_args, whose first 64 bits they are. Where we may not read them: the worst.
 */
static unsigned long clone3_flags(long args)
{
    uint64_t flags = 0;
    int saved = errno;
    enum memory memory = MEMORY_REFUSED;
    if (process_may_act())
        memory = memory_read(&flags, (const void *)args, sizeof(flags));
    errno = saved;
    return memory == MEMORY_REFUSED ? CLONE_FILES | CLONE_VM : (unsigned long)flags;
}

/** Whether it makes copies of fds; first, second: its arguments. */
static bool copies_fds(long number, long first, long second)
{
    (void)first;
    switch (number) {
#ifdef SYS_dup2
    case SYS_dup2:
    case SYS_fork:
    case SYS_vfork:
#endif
    case SYS_dup:
    case SYS_dup3:
    case SYS_pidfd_getfd:
    case SYS_unshare:
#ifdef SYS_sendmsg
    case SYS_sendmsg: /* what it passes is not looked at */
    case SYS_sendmmsg:
#endif
#ifdef SYS_io_uring_register
    case SYS_io_uring_register: /* a registered file outlives its fd */
#endif
        return true;
#ifdef SYS_fcntl64
    case SYS_fcntl64:
#endif
    case SYS_fcntl:
        return second == F_DUPFD || second == F_DUPFD_CLOEXEC;
#ifdef SYS_socketcall
    case SYS_socketcall:
        return first == SOCKETCALL_SENDMSG || first == SOCKETCALL_SENDMMSG;
#endif
    default:
        return false;
    }
}

/** A child may run in our memory, or not be seen to be one. */
static void before_child(long number, long first)
{
#ifdef SYS_vfork
    if (number == SYS_vfork || number == SYS_fork)
        process_vforking();
#endif
    if (number == SYS_clone)
        cloning((unsigned)first);
    if (number == SYS_clone3)
        cloning(clone3_flags(first));
}

/** seccomp(2): with TSYNC it says which thread cannot have the filter; it is not installed. */
static bool has_failed(long number, unsigned long flags, long r)
{
    bool fd = flags & NEW_LISTENER, all = flags & SECCOMP_FILTER_FLAG_TSYNC;
    return r < 0 || (r > 0 && number == SYS_seccomp && all && !fd);
}

/** What probes for seccomp, and fails, changes nothing. */
static long seal_by_number(long number, long a, long b, long c, long d, long e)
{
    process_seal();
    long r = next_syscall()(number, a, b, c, d, e);
    if (has_failed(number, (unsigned long)b, r))
        process_unseal();
    return r;
}

/** Whether it installs a seccomp filter, or what is like one. */
static bool seals(long number, long first, long second)
{
    return (number == SYS_seccomp &&
            (first == SECCOMP_SET_MODE_STRICT || first == SECCOMP_SET_MODE_FILTER)) ||
           (number == SYS_prctl && sealing((unsigned)first, (unsigned long)second));
}

/** Whether it may limit the size of files. */
static bool limits(long number, long first, long second)
{
#ifdef SYS_setrlimit
    if (number == SYS_setrlimit && first == RLIMIT_FSIZE)
        return true;
#endif
    return number == SYS_prlimit64 && second == RLIMIT_FSIZE;
}

/** Other threads keep the fds of a table that this one parts from. */
static bool parts_from_fds(long number, long first, long third)
{
    return (number == SYS_unshare && (first & CLONE_FILES)) ||
           (number == SYS_close_range && ((unsigned long)third & CLOSE_RANGE_UNSHARE));
}

/** Where the call goes on. */
static void *before_call(long number, long first, long second, long third)
{
    if (number == SYS_close && table_peek((int)first))
        return (void *)close_by_number;
    if (number == SYS_exit_group)
        leaving_at_exit();
    if (parts_from_fds(number, first, third))
        process_parts_from_fds();
    if (copies_fds(number, first, second))
        process_sharing();
    before_child(number, first);
    if (number == SYS_setns || (number == SYS_unshare && (first & CLONE_NEWNET)))
        process_goes_elsewhere();
    if (limits(number, first, second))
        sink_size_limited();
    if (seals(number, first, second))
        return (void *)seal_by_number;
    return next.syscall;
}

JUMP_TO(syscall, (long number, long first, long second, long third),
        before_call(number, first, second, third))

#endif
