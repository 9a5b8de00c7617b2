/*
 * spawn: the calls by which copies of our fds come to be, in another process mostly, and those
 * after which this process is another than it was.
 *
 * fork() is not among them: it runs the handlers that kernel/process.c registers. So does
 * daemon(), but its caller ends in it.
 */
#include "connection/draw.h"
#include "connection/leaving.h"
#include "connection/share.h"
#include "hooks/cloning.h"
#include "hooks/hooks.h"
#include "hooks/jump.h"
#include "hooks/sealing.h"
#include "kernel/lock.h"
#include "report/stats.h"

#include <unistd.h>

pid_t hook__Fork(void)
{
    process_forking();
    draw_forking();
    lock_forking();
    pid_t pid = next._Fork();
    if (pid != 0) {
        lock_forked();
        process_forked();
        return pid;
    }
    process_is_unseen_child();
    return 0;
}

/** The parent ends inside libc, where no hook is. */
int hook_daemon(int nochdir, int noclose)
{
    bool told = leaving_at_daemon();
    int r = next.daemon(nochdir, noclose);
    if (r != 0 && told)
        stats_reset(); /* it lives: what follows is told at its end */
    return r;
}

/*
 * Children that libc makes by itself, without pthread_atfork() handlers. They inherit what is
 * not O_CLOEXEC: before the call for what exists, after it for what other threads made
 * meanwhile, and in between as well. Those that wait for their child are LONG: nobody else
 * waits for it, and so a socket that another thread makes, and closes, while the child is being
 * made is not seen to be shared.
 */
#define BETWEEN(type, name, parameters, arguments, before, after)                              \
    type hook_##name parameters                                                                \
    {                                                                                          \
        before();                                                                              \
        type r = next.name arguments;                                                          \
        after();                                                                               \
        return r;                                                                              \
    }
#define AROUND(type, name, parameters, arguments)                                              \
    BETWEEN(type, name, parameters, arguments, process_copying, process_copied)
#define AROUND_LONG(type, name, parameters, arguments)                                         \
    BETWEEN(type, name, parameters, arguments, process_sharing, process_shared)

/* clang-format off */
AROUND(int, posix_spawn,
       (pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
        const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]),
       (pid, path, actions, attributes, argv, envp))
AROUND(int, posix_spawnp,
       (pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
        const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]),
       (pid, file, actions, attributes, argv, envp))
AROUND(int, pidfd_spawn,
       (int *pidfd, const char *path, const posix_spawn_file_actions_t *actions,
        const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]),
       (pidfd, path, actions, attributes, argv, envp))
AROUND(int, pidfd_spawnp,
       (int *pidfd, const char *file, const posix_spawn_file_actions_t *actions,
        const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]),
       (pidfd, file, actions, attributes, argv, envp))
AROUND_LONG(int, system, (const char *command), (command))
AROUND(FILE *, popen, (const char *command, const char *mode), (command, mode))
AROUND(FILE *, _IO_proc_open, (FILE *stream, const char *command, const char *mode),
       (stream, command, mode))
AROUND_LONG(int, wordexp, (const char *words, wordexp_t *result, int flags),
            (words, result, flags))

#ifdef OLDER_SPAWN
AROUND(int, older_posix_spawn,
       (pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
        const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]),
       (pid, path, actions, attributes, argv, envp))
AROUND(int, older_posix_spawnp,
       (pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
        const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]),
       (pid, file, actions, attributes, argv, envp))
EXPORT_OLDER(posix_spawn, posix_spawn, OLDER_SPAWN)
EXPORT_OLDER(posix_spawnp, posix_spawnp, OLDER_SPAWN)
#endif

#ifdef OLDER_STDIO
AROUND(FILE *, older_popen, (const char *command, const char *mode), (command, mode))
AROUND(FILE *, older__IO_proc_open, (FILE *stream, const char *command, const char *mode),
       (stream, command, mode))
EXPORT_OLDER(popen, popen, OLDER_STDIO)
EXPORT_OLDER(popen, _IO_popen, OLDER_STDIO)
EXPORT_OLDER(_IO_proc_open, _IO_proc_open, OLDER_STDIO)
#endif
/* clang-format on */

/** What comes may be a copy of any of ours, or a socket from elsewhere. */
int hook_pidfd_getfd(int pidfd, int fd, unsigned flags)
{
    process_copying();
    int copy = next.pidfd_getfd(pidfd, fd, flags);
    process_copied();
    if (copy >= 0)
        share_forget(copy);
    return copy;
}

/** A namespace of 0 is whatever the fd is of. */
int hook_setns(int fd, int type)
{
    int r = next.setns(fd, type);
    if (r == 0 && (type == 0 || (type & CLONE_NEWNET)))
        process_goes_elsewhere();
    return r;
}

/** With CLONE_FILES the thread gets copies of all fds, in a table of its own. */
int hook_unshare(int flags)
{
    process_copying();
    if (flags & CLONE_FILES)
        process_parts_from_fds();
    int r = next.unshare(flags);
    process_copied();
    if (r == 0 && (flags & CLONE_NEWNET))
        process_goes_elsewhere();
    return r;
}

/** A filter of the program knows its system calls, not ours: from here on we make none. */
#define PRCTL(name)                                                                            \
    int hook_##name(int option, unsigned long a, unsigned long b, unsigned long c,             \
                    unsigned long d)                                                           \
    {                                                                                          \
        if (!sealing((unsigned)option, a))                                                     \
            return next.name(option, a, b, c, d);                                              \
        process_seal();                                                                        \
        int r = next.name(option, a, b, c, d);                                                 \
        if (r != 0)                                                                            \
            process_unseal();                                                                  \
        return r;                                                                              \
    }

PRCTL(prctl)
PRCTL(__prctl_time64)

static inline void before_clone(const void *function, const void *stack, unsigned flags)
{
    if (function && stack)
        cloning(flags);
}

static inline void before_vfork(void)
{
    process_sharing();
    process_vforking();
}

#ifdef JUMP_CODE
/*
 * What another thread opens between this and the jump is not seen to be shared.
 */
/* clang-format off */
JUMP_HOOK(vfork, (void), before_vfork())
JUMP_HOOK(__vfork, (void), before_vfork())
JUMP_HOOK(clone, (void *function, void *stack, unsigned flags),
          before_clone(function, stack, flags))
JUMP_HOOK(__clone, (void *function, void *stack, unsigned flags),
          before_clone(function, stack, flags))
/* clang-format on */
#else
/*
 * No assembly for this machine yet. fork() is a vfork() that copies, which POSIX allows;
 * clone() is not seen.
 */
pid_t hook_vfork(void) __asm__("vfork") __attribute__((visibility("default")));
pid_t hook___vfork(void) __asm__("__vfork") __attribute__((visibility("default")));

pid_t hook_vfork(void)
{
    return fork();
}

pid_t hook___vfork(void)
{
    return fork();
}
#endif
