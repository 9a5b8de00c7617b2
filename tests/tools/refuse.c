/*
 * refuse: `refuse CALL... -- CMD...` runs CMD, in which these system calls fail with ENOSYS, or
 * CALL=EPERM with that, as under a container's filter or systemd's. `wait_killable` and
 * `sync_wake_up`: what newer kernels have for supervision fails with EINVAL, as on older ones.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct call {
    const char *name;
    uint32_t number;
} calls[] = {
#define CALL(name)                                                                             \
    {                                                                                          \
#name, SYS_##name                                                                      \
    }
#ifdef SYS_dup2
    CALL(dup2),
#endif
#ifdef SYS_poll
    CALL(poll),
#endif
    CALL(dup3),          CALL(getcwd),           CALL(getpeername),
    CALL(getpid),        CALL(getsockname),      CALL(getsockopt),
    CALL(ioctl),         CALL(madvise),          CALL(ppoll),
    CALL(preadv),        CALL(process_vm_readv), CALL(process_vm_writev),
    CALL(pwritev2),      CALL(recvmmsg),         CALL(rt_sigprocmask),
    CALL(sched_yield),   CALL(setsockopt),       CALL(statx),
    CALL(clock_gettime),
};

enum { MOST = 2 * sizeof(calls) / sizeof(calls[0]) + 12 };

static struct sock_filter filter[MOST] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
};
static unsigned short length = 1;

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#define NOTIF_SET_FLAGS SECCOMP_IOW(4, uint64_t) /* SECCOMP_IOCTL_NOTIF_SET_FLAGS */

/* A call of which one bit, or all, of the second argument says what it does. */
static const struct feature {
    const char *name;
    uint32_t number, argument;
    uint16_t test; /* BPF_JSET or BPF_JEQ */
} features[] = {
    {"wait_killable", SYS_seccomp, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, BPF_JSET},
    {"sync_wake_up", SYS_ioctl, NOTIF_SET_FLAGS, BPF_JEQ},
};

static void put(uint32_t code, uint32_t k, uint8_t yes, uint8_t no)
{
    filter[length++] = (struct sock_filter)BPF_JUMP((uint16_t)code, k, yes, no);
}

static uint32_t second_argument(void)
{
    int big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    return (uint32_t)offsetof(struct seccomp_data, args[1]) + (big ? 4 : 0);
}

/* False where it is not in the table. */
static int refuse_feature(const char *word)
{
    for (const struct feature *f = features;
         f < features + sizeof(features) / sizeof(features[0]); f++) {
        if (strcmp(word, f->name) != 0 || length + 7 > MOST)
            continue;
        put(BPF_JMP | BPF_JEQ | BPF_K, f->number, 0, 4);
        put(BPF_LD | BPF_W | BPF_ABS, second_argument(), 0, 0);
        put(BPF_JMP | BPF_K | f->test, f->argument, 0, 1);
        put(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL, 0, 0);
        put(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
        return 1;
    }
    return 0;
}

/* False where it is not in the table. */
static int refuse(const char *word)
{
    size_t len = strcspn(word, "=");
    uint32_t error = strcmp(word + len, "=EPERM") == 0 ? EPERM : ENOSYS;
    for (const struct call *c = calls; c < calls + sizeof(calls) / sizeof(calls[0]); c++) {
        if (strlen(c->name) != len || strncmp(c->name, word, len) != 0 || length + 3 > MOST)
            continue;
        filter[length++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, c->number, 0, 1);
        filter[length++] =
            (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    int i = 1;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!refuse(argv[i]) && !refuse_feature(argv[i])) {
            (void)fprintf(stderr, "refuse: %s?\n", argv[i]);
            return 2;
        }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {length, filter};
    if (i + 1 >= argc || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return 2;
    execvp(argv[i + 1], argv + i + 1);
    perror(argv[i + 1]);
    return 127;
}
