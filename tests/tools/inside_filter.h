/*
 * inside_filter: the seccomp filters that `inside` installs.
 */
#ifndef INSIDE_FILTER_H
#define INSIDE_FILTER_H

#include <linux/filter.h>
#include <linux/net.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALLOW(number)                                                                          \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),                                         \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* On a 32-bit PC, libc has one system call for all that is done to sockets (socketcall(2)). */
#ifdef __i386__
#define ALLOW_SOCKETCALL                                                                       \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socketcall, 0, 10),                                \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),            \
        ALLOW(SYS_SOCKET), ALLOW(SYS_CONNECT), ALLOW(SYS_SHUTDOWN), ALLOW(SYS_SETSOCKOPT),     \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
#else
#define ALLOW_SOCKETCALL
#endif

/* What the program itself calls from here on; all else kills. */
static struct sock_filter own_calls[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW_SOCKETCALL           /* and what libc does not do by it */
        ALLOW(SYS_setsockopt), /* see sealed() */
    ALLOW(SYS_read),
    ALLOW(SYS_write),
    ALLOW(SYS_close),
    ALLOW(SYS_exit_group),
    ALLOW(SYS_dup),
    ALLOW(SYS_dup3),
    ALLOW(SYS_socket),
    ALLOW(SYS_connect),
    ALLOW(SYS_shutdown),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

#define KILL(number)                                                                           \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),                                         \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

/* What the program itself does not call, where it has threads, for which libc calls more. */
static struct sock_filter other_calls[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    KILL(SYS_getsockopt),
    KILL(SYS_setsockopt),
    KILL(SYS_getsockname),
    KILL(SYS_getpeername),
    KILL(SYS_ioctl),
    KILL(SYS_openat),
    KILL(SYS_statx),
    KILL(SYS_bind),
    KILL(SYS_getpid),
    KILL(SYS_process_vm_readv),
    KILL(SYS_clock_gettime),
    KILL(SYS_sched_yield),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};
static struct sock_fprog filter = {.len = sizeof(own_calls) / sizeof(own_calls[0]),
                                   .filter = own_calls};

static int install(int by_prctl)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    if (by_prctl)
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

#endif
