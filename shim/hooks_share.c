/*
 * hooks_share: the calls by which a socket gets another holder: an fd, or a process.
 */
#include "next.h"
#include "owner.h"
#include "share.h"

#include <fcntl.h>
#include <stdarg.h>

int hook_dup(int fd)
{
    int copy = next.dup(fd);
    if (copy >= 0)
        share_copied(fd, copy);
    return copy;
}

/** fcntl() takes nothing, an int or a pointer, and passes it on as one register (fcntl(2)). */
#define FCNTL(name)                                                                            \
    int hook_##name(int fd, int command, ...)                                                  \
    {                                                                                          \
        va_list list;                                                                          \
        va_start(list, command);                                                               \
        void *argument = va_arg(list, void *);                                                 \
        va_end(list);                                                                          \
        int r = next.name(fd, command, argument);                                              \
        if (r >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC))                      \
            share_copied(fd, r);                                                               \
        return r;                                                                              \
    }

FCNTL(fcntl)
FCNTL(fcntl64)

pid_t hook__Fork(void)
{
    owner_shared_all();
    pid_t pid = next._Fork();
    if (pid == 0)
        owner_is_child();
    else
        owner_shared_all();
    return pid;
}

/*
 * Children that libc makes by itself, without pthread_atfork() handlers. They inherit what is
 * not O_CLOEXEC: before the call for what exists, after it for what other threads made
 * meanwhile.
 */
#define AROUND(type, name, parameters, arguments)                                              \
    type hook_##name parameters                                                                \
    {                                                                                          \
        owner_shared_all();                                                                    \
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
AROUND(int, system, (const char *command), (command))
AROUND(FILE *, popen, (const char *command, const char *mode), (command, mode))
