/*
 * hooks_spawn: the calls by which copies of our fds come to be, in another process mostly.
 *
 * fork() is not among them: it runs the handlers that owner.c registers. So does daemon(), but
 * its caller ends in it.
 */
#include "connection/birth.h"
#include "connection/ending.h"
#include "connection/owed.h"
#include "connection/reap.h"
#include "hooks/jump.h"
#include "kernel/process.h"
#include "report/stats.h"

#include <sched.h>
#include <unistd.h>

/** Other processes will have copies of our fds. (What another thread opens between this and a
 * jump is not seen to be shared.) */
static inline void share_all(void)
{
    owed_settle_all();
    owner_shared_all();
}

pid_t hook__Fork(void)
{
    share_all();
    birth_forking();
    pid_t pid = next._Fork();
    if (pid != 0) {
        owner_shared_all();
        return pid;
    }
    owner_is_child();
    birth_in_child();
    stats_reset();
    reap_reset();
    owed_reset();
    return 0;
}

/** The parent ends inside libc, where no hook is. */
int hook_daemon(int nochdir, int noclose)
{
    bool told = ending_at_daemon();
    int r = next.daemon(nochdir, noclose);
    if (r != 0 && told)
        stats_reset(); /* it lives: what follows is told at its end */
    return r;
}

/*
 * Children that libc makes by itself, without pthread_atfork() handlers. They inherit what is
 * not O_CLOEXEC: before the call for what exists, after it for what other threads made
 * meanwhile.
 */
#define AROUND(type, name, parameters, arguments)                                              \
    type hook_##name parameters                                                                \
    {                                                                                          \
        share_all();                                                                           \
        type r = next.name arguments;                                                          \
        owner_shared_all();                                                                    \
        return r;                                                                              \
    }

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
AROUND(int, system, (const char *command), (command))
AROUND(FILE *, popen, (const char *command, const char *mode), (command, mode))
AROUND(FILE *, _IO_proc_open, (FILE *stream, const char *command, const char *mode),
       (stream, command, mode))
AROUND(int, wordexp, (const char *words, wordexp_t *result, int flags), (words, result, flags))
/* With CLONE_FILES the thread gets copies of all fds; the other is a copy of any. */
AROUND(int, unshare, (int flags), (flags))
AROUND(int, pidfd_getfd, (int pidfd, int fd, unsigned flags), (pidfd, fd, flags))

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

/** Unless it is a thread, sharing our table of fds for good: others may part from it, by exec.
 */
static inline bool copies_fds(unsigned flags)
{
    return (flags & (CLONE_FILES | CLONE_THREAD)) != (CLONE_FILES | CLONE_THREAD);
}

static inline void share_by_clone(const void *function, const void *stack, unsigned flags)
{
    if (!function || !stack)
        return;
    if (copies_fds(flags))
        share_all();
    else
        owner_has_thread();
}

static inline void leave_by_exec(void)
{
    owed_settle_all();
    reap_at_exec();
}

#ifdef JUMP_CODE
/* clang-format off */
JUMP_HOOK(vfork, (void), share_all())
JUMP_HOOK(__vfork, (void), share_all())
JUMP_HOOK(clone, (void *function, void *stack, unsigned flags),
          share_by_clone(function, stack, flags))
JUMP_HOOK(__clone, (void *function, void *stack, unsigned flags),
          share_by_clone(function, stack, flags))
/* Another program goes on with what is not FD_CLOEXEC. */
JUMP_HOOK(execve, (void), leave_by_exec())
JUMP_HOOK(execv, (void), leave_by_exec())
JUMP_HOOK(execvp, (void), leave_by_exec())
JUMP_HOOK(execvpe, (void), leave_by_exec())
JUMP_HOOK(execl, (void), leave_by_exec())
JUMP_HOOK(execle, (void), leave_by_exec())
JUMP_HOOK(execlp, (void), leave_by_exec())
JUMP_HOOK(fexecve, (void), leave_by_exec())
JUMP_HOOK(execveat, (void), leave_by_exec())
/* clang-format on */
#else
/*
 * No assembly for this machine yet. fork() is a vfork() that copies, which POSIX allows;
 * clone() and exec() are not seen.
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
