/*
 * hooks_spawn: the calls by which copies of our fds come to be, in another process mostly.
 *
 * fork() is not among them: it runs the handlers that owner.c registers.
 */
#include "next.h"
#include "owner.h"
#include "stats.h"

#include <sched.h>
#include <unistd.h>

pid_t hook__Fork(void)
{
    owner_shared_all();
    pid_t pid = next._Fork();
    if (pid != 0) {
        owner_shared_all();
        return pid;
    }
    owner_is_child();
    stats_reset();
    return 0;
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
AROUND(FILE *, _IO_proc_open, (FILE *stream, const char *command, const char *mode),
       (stream, command, mode))
AROUND(int, wordexp, (const char *words, wordexp_t *result, int flags), (words, result, flags))
/* With CLONE_FILES the thread gets copies of all fds; the other is a copy of any. */
AROUND(int, unshare, (int flags), (flags))
AROUND(int, pidfd_getfd, (int pidfd, int fd, unsigned flags), (pidfd, fd, flags))
/* clang-format on */

/*
 * vfork() returns twice, the child on its parent's stack, and clone() may return on another
 * one: no C function can stand before them. The code that does calls jump_<name>() with the
 * arguments as they are, restores them, and jumps to what that returns. (What another thread
 * opens between the two is not seen to be shared.)
 */
#if defined(__x86_64__)
#define JUMP_CODE(name)                                                                        \
    "endbr64\n push %rdi\n push %rsi\n push %rdx\n push %rcx\n push %r8\n push %r9\n"          \
    "sub $8, %rsp\n .cfi_adjust_cfa_offset 56\n call jump_" name "\n mov %rax, %r11\n"         \
    "add $8, %rsp\n pop %r9\n pop %r8\n pop %rcx\n pop %rdx\n pop %rsi\n pop %rdi\n"           \
    ".cfi_adjust_cfa_offset -56\n jmp *%r11\n"
#elif defined(__i386__)
#define JUMP_CODE(name)                                                                        \
    "pushl 12(%esp)\n pushl 12(%esp)\n pushl 12(%esp)\n .cfi_adjust_cfa_offset 12\n"           \
    "call jump_" name "\n add $12, %esp\n .cfi_adjust_cfa_offset -12\n jmp *%eax\n"
#elif defined(__aarch64__)
#define JUMP_CODE(name)                                                                        \
    "hint #34\n stp x29, x30, [sp, #-80]!\n stp x0, x1, [sp, #16]\n"                           \
    "stp x2, x3, [sp, #32]\n stp x4, x5, [sp, #48]\n stp x6, x7, [sp, #64]\n"                  \
    ".cfi_adjust_cfa_offset 80\n bl jump_" name "\n mov x16, x0\n"                             \
    "ldp x0, x1, [sp, #16]\n ldp x2, x3, [sp, #32]\n ldp x4, x5, [sp, #48]\n"                  \
    "ldp x6, x7, [sp, #64]\n ldp x29, x30, [sp], #80\n"                                        \
    ".cfi_adjust_cfa_offset -80\n br x16\n"
#endif

#define JUMP_HOOK(name, parameters, shares)                                                    \
    __attribute__((used)) void *jump_##name parameters;                                        \
    void *jump_##name parameters                                                               \
    {                                                                                          \
        if (!next.name)                                                                        \
            next_resolve();                                                                    \
        if (shares)                                                                            \
            owner_shared_all();                                                                \
        return next.name;                                                                      \
    }                                                                                          \
    __asm__(".text\n .globl " #name "\n .type " #name ", %function\n" #name ":\n"              \
            ".cfi_startproc\n" JUMP_CODE(#name) ".cfi_endproc\n .size " #name ", . - " #name);

/** Unless it is a thread, sharing our table of fds for good: others may part from it, by exec.
 */
static inline bool copies_fds(unsigned flags)
{
    return (flags & (CLONE_FILES | CLONE_THREAD)) != (CLONE_FILES | CLONE_THREAD);
}

#ifdef JUMP_CODE
/* clang-format off */
JUMP_HOOK(vfork, (void), true)
JUMP_HOOK(__vfork, (void), true)
JUMP_HOOK(clone, (void *function, void *stack, unsigned flags),
          function && stack && copies_fds(flags))
JUMP_HOOK(__clone, (void *function, void *stack, unsigned flags),
          function && stack && copies_fds(flags))
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
