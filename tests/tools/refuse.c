/*
 * refuse: `refuse CALL... -- CMD...` runs CMD, in which these system calls fail with ENOSYS, or
 * CALL=EPERM with that, as under a container's filter or systemd's.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
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
    CALL(dup3),        CALL(getcwd),           CALL(getpeername),
    CALL(getpid),      CALL(getsockname),      CALL(getsockopt),
    CALL(ioctl),       CALL(madvise),          CALL(ppoll),
    CALL(preadv),      CALL(process_vm_readv), CALL(process_vm_writev),
    CALL(pwritev2),    CALL(recvmmsg),         CALL(rt_sigprocmask),
    CALL(sched_yield), CALL(setsockopt),       CALL(statx),
};

enum { MOST = 2 * sizeof(calls) / sizeof(calls[0]) + 2 };

static struct sock_filter filter[MOST] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
};
static unsigned short length = 1;

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
        if (!refuse(argv[i])) {
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
