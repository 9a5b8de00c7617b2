/*
 * hooks_syscall: system calls by their number, which some programs make to close an fd (libuv:
 * SYS_close) where close() would be a cancellation point.
 *
 * Only what ends a connection, or shares it, is looked at.
 */
#include "connection/ending.h"
#include "connection/owed.h"
#include "connection/table.h"
#include "hooks/jump.h"
#include "kernel/process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef JUMP_CODE

typedef long syscall_function(long number, ...);

static long close_by_number(long number, int fd)
{
    struct conn *c = table_peek(fd);
    if (c == TABLE_NO_TCP)
        table_take(fd, c);
    struct owed_close owed = owed_closing(fd);
    struct ending ending;
    bool ends = table_is_conn(c) && ending_begin(&ending, fd, VIA_CLOSE, false);
    long r = ((syscall_function *)next.syscall)(number, fd);
    if (ends)
        ending_finish(&ending, true);
    owed_closed(&owed);
    return r;
}

/** Whether it makes copies of fds; first, second: its arguments. */
static bool copies_fds(long number, long first, long second)
{
    switch (number) {
#ifdef SYS_dup2
    case SYS_dup2:
    case SYS_fork:
    case SYS_vfork:
#endif
    case SYS_dup:
    case SYS_dup3:
    case SYS_clone3:
    case SYS_pidfd_getfd:
    case SYS_unshare:
        return true;
    case SYS_clone:
        return !((unsigned)first & CLONE_THREAD);
#ifdef SYS_fcntl64
    case SYS_fcntl64:
#endif
    case SYS_fcntl:
        return second == F_DUPFD || second == F_DUPFD_CLOEXEC;
    default:
        return false;
    }
}

/** Where the call goes on. */
static void *look_at(long number, long first, long second)
{
    if (number == SYS_close && table_peek((int)first))
        return (void *)close_by_number;
    owed_settle();
    if (number == SYS_exit_group)
        ending_at_exit();
    if (number == SYS_execve || number == SYS_execveat)
        owed_settle_all();
    if (number == SYS_clone && ((unsigned)first & CLONE_THREAD))
        owner_has_thread();
    if (copies_fds(number, first, second)) {
        owed_settle_all();
        owner_shared_all();
    }
    return next.syscall;
}

JUMP_TO(syscall, (long number, long first, long second), look_at(number, first, second))

#endif
