#include "launcher/supervise/filter.h"

#include "kernel/raw.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* 5.19 */
#endif

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      SECCOMP_IOW(4, __u64) /* 6.6 */
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

/* The numbers of the calls, for each machine whose programs this kernel runs. */
#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#define COMPAT AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#define COMPAT AUDIT_ARCH_ARM
#elif defined(__i386__)
#define NATIVE AUDIT_ARCH_I386
#elif defined(__arm__)
#define NATIVE AUDIT_ARCH_ARM
#elif defined(__riscv)
#define NATIVE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__)
#define NATIVE                                                                                 \
    (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? AUDIT_ARCH_PPC64LE : AUDIT_ARCH_PPC64)
#elif defined(__s390x__)
#define NATIVE AUDIT_ARCH_S390X
#else
_Static_assert(0, "name the machine's AUDIT_ARCH_");
#endif

#define X32 0x40000000 /* the bit of x32's numbers (asm/unistd.h) */

/* Those that send come first: they are what a program calls often. */
static const struct {
    uint32_t arch;
    int nr;
    enum call call;
} calls[] = {
    {NATIVE, SYS_sendto, CALL_SEND},
    {NATIVE, SYS_sendmsg, CALL_SEND_MESSAGE},
    {NATIVE, SYS_sendmmsg, CALL_SEND_MESSAGES},
    {NATIVE, SYS_connect, CALL_CONNECT},
    {NATIVE, SYS_listen, CALL_LISTEN},
#if defined(__x86_64__)
    {NATIVE, X32 | 44, CALL_SEND},
    {NATIVE, X32 | 518, CALL_SEND_MESSAGE},
    {NATIVE, X32 | 538, CALL_SEND_MESSAGES},
    {NATIVE, X32 | 42, CALL_CONNECT},
    {NATIVE, X32 | 50, CALL_LISTEN},
    {COMPAT, 369, CALL_SEND},
    {COMPAT, 370, CALL_SEND_MESSAGE},
    {COMPAT, 345, CALL_SEND_MESSAGES},
    {COMPAT, 362, CALL_CONNECT},
    {COMPAT, 363, CALL_LISTEN},
#elif defined(__aarch64__)
    {COMPAT, 290, CALL_SEND},
    {COMPAT, 296, CALL_SEND_MESSAGE},
    {COMPAT, 374, CALL_SEND_MESSAGES},
    {COMPAT, 283, CALL_CONNECT},
    {COMPAT, 284, CALL_LISTEN},
#endif
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* socketcall(2) of 32-bit PCs and S/390: its first argument says which. The others lie in
 * memory, where no filter looks: what sends by it, with whatever flags, is not asked for. */
#if defined(__x86_64__)
#define SOCKETCALL      102
#define SOCKETCALL_ARCH COMPAT
#elif defined(__i386__) || defined(__s390x__)
#define SOCKETCALL      SYS_socketcall
#define SOCKETCALL_ARCH NATIVE
#endif
#define SOCKETCALL_CONNECT 3
#define SOCKETCALL_LISTEN  4

enum call filter_call(const struct raw_call *call, bool *multiplexed, bool *narrow)
{
    *multiplexed = false;
    *narrow = call->arch != NATIVE || (call->nr & X32) || sizeof(long) == 4;
    for (size_t i = 0; i < CALLS; i++)
        if (calls[i].arch == call->arch && calls[i].nr == call->nr)
            return calls[i].call;
#ifdef SOCKETCALL
    if (call->arch == SOCKETCALL_ARCH && call->nr == SOCKETCALL) {
        *multiplexed = true;
        return call->args[0] == SOCKETCALL_CONNECT ? CALL_CONNECT : CALL_LISTEN;
    }
#endif
    return CALL_NONE;
}

#define PROGRAM_MAX 128

struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned short len;
};

static void emit(struct program *program, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
    program->code[program->len++] = (struct sock_filter){code, yes, no, k};
}

static void emit_return(struct program *program, uint32_t what)
{
    emit(program, BPF_RET | BPF_K, what, 0, 0);
}

static void emit_load(struct program *program, size_t offset)
{
    emit(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/** The lower half of an argument. */
static void emit_load_argument(struct program *program, unsigned i)
{
    size_t lower = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : sizeof(uint32_t);
    emit_load(program, offsetof(struct seccomp_data, args) + i * sizeof(uint64_t) + lower);
}

/** Which of its arguments are the flags, where it sends; -1: it does not. */
static int flags_argument(enum call call)
{
    switch (call) {
    case CALL_SEND:
    case CALL_SEND_MESSAGES:
        return 3;
    case CALL_SEND_MESSAGE:
        return 2;
    default:
        return -1;
    }
}

/** Asks where it is the call; where it sends, only if it opens a connection. */
static void emit_call(struct program *program, int nr, enum call call)
{
    int flags = flags_argument(call);
    bool sends = flags >= 0;
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, sends ? 4 : 1);
    if (sends) {
        emit_load_argument(program, (unsigned)flags);
        emit(program, BPF_JMP | BPF_JSET | BPF_K, MSG_FASTOPEN, 0, 1);
    }
    emit_return(program, SECCOMP_RET_USER_NOTIF);
    if (sends)
        emit_return(program, SECCOMP_RET_ALLOW);
}

#ifdef SOCKETCALL
static void emit_socketcall(struct program *program)
{
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, SOCKETCALL, 0, 5);
    emit_load_argument(program, 0);
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, SOCKETCALL_CONNECT, 1, 0);
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, SOCKETCALL_LISTEN, 0, 1);
    emit_return(program, SECCOMP_RET_USER_NOTIF);
    emit_return(program, SECCOMP_RET_ALLOW);
}
#endif

/** All calls of one machine; another machine's go on behind. */
static void emit_machine(struct program *program, uint32_t arch)
{
    emit_load(program, offsetof(struct seccomp_data, arch));
    unsigned short test = program->len;
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, arch, 0, 0);
    emit_load(program, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < CALLS; i++)
        if (calls[i].arch == arch)
            emit_call(program, calls[i].nr, calls[i].call);
#ifdef SOCKETCALL
    if (arch == SOCKETCALL_ARCH)
        emit_socketcall(program);
#endif
    emit_return(program, SECCOMP_RET_ALLOW);
    program->code[test].jf = (uint8_t)(program->len - test - 1);
}

/** It confines nobody: kernels before 5.16 are not to slow the program down as one that is
 * (spec_store_bypass_disable=seccomp). */
static int install(const struct sock_fprog *program, unsigned long flags)
{
    return (int)syscall(
        SYS_seccomp, SECCOMP_SET_MODE_FILTER,
        SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW | flags, program);
}

/** With the flag that keeps signals from interrupting what we have received, where known. */
static int install_killable(const struct sock_fprog *program)
{
    int fd = install(program, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    return fd < 0 && errno == EINVAL ? install(program, 0) : fd;
}

int filter_install(void)
{
    static struct program program;
    program.len = 0;
    emit_machine(&program, NATIVE);
#ifdef COMPAT
    emit_machine(&program, COMPAT);
#endif
    emit_return(&program, SECCOMP_RET_ALLOW);
    struct sock_fprog fprog = {program.len, program.code};
    int fd = install_killable(&fprog);
    if (fd >= 0 || errno != EACCES || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fd;
    return install_killable(&fprog);
}

bool filter_keeps_signals(void)
{
    static int keeps = -1;
    if (keeps < 0) { /* EFAULT: the flags are good; EINVAL: they are not */
        keeps = install(NULL, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) < 0 && errno == EFAULT;
    }
    return keeps > 0;
}

bool filter_wakes_in_turn(int listener)
{
    return raw_call(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                    SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) == 0;
}

/* One message: an errno, and an fd where that is 0. */
struct handed {
    int error;
    struct iovec part;
    struct msghdr message;
    union {
        struct cmsghdr header; /* for its alignment */
        char room[CMSG_SPACE(sizeof(int))];
    } control;
};

static void put_together(struct handed *handed, bool fd)
{
    handed->part = (struct iovec){&handed->error, sizeof(handed->error)};
    handed->message = (struct msghdr){.msg_iov = &handed->part, .msg_iovlen = 1};
    if (!fd)
        return;
    handed->message.msg_control = handed->control.room;
    handed->message.msg_controllen = sizeof(handed->control.room);
}

void filter_send(int socket, int fd, int error)
{
    struct handed handed = {.error = error};
    put_together(&handed, fd >= 0);
    if (fd >= 0) {
        handed.control.header.cmsg_level = SOL_SOCKET;
        handed.control.header.cmsg_type = SCM_RIGHTS;
        handed.control.header.cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(&handed.control.header), &fd, sizeof(fd));
    }
    (void)sendmsg(socket, &handed.message, MSG_NOSIGNAL);
    (void)sendmsg(socket, &handed.message, MSG_NOSIGNAL);
}

int filter_receive(int socket)
{
    struct handed handed = {.error = ESRCH};
    int fd = -1;
    put_together(&handed, true);
    handed.control.header.cmsg_len = 0;
    ssize_t len = recvmsg(socket, &handed.message, MSG_CMSG_CLOEXEC);
    if (len == (ssize_t)sizeof(handed.error) && handed.error == 0 &&
        handed.message.msg_controllen >= CMSG_LEN(sizeof(fd)))
        memcpy(&fd, CMSG_DATA(&handed.control.header), sizeof(fd));
    errno = handed.error ? handed.error : EPROTO;
    return fd;
}
