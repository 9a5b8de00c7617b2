/*
 * The fact about what a BPF program may set on a socket: of a control group, at connect().
 */
#ifndef FACTS_BPF_H
#define FACTS_BPF_H

#include "facts.h"

#include <linux/bpf.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define GROUPS "/sys/fs/cgroup"

/** Ends with the status of who may not ask. */
static void ask(bool may)
{
    if (may)
        return;
    printf("may not ask: %s\n", strerrorname_np(errno));
    exit(3);
}

static long bpf(int command, union bpf_attr *attr)
{
    return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/** A program for connect(): sets an option of TCP's. If that returns what is
 * expected, connect() goes on, and fails with EPERM otherwise.
 */
static int program(int option, int value, int expected)
{
    struct bpf_insn code[] = {
        {.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = 10, .off = -4, .imm = value},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = IPPROTO_TCP},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = option},
        {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 4, .src_reg = 10},
        {.code = BPF_ALU64 | BPF_ADD, .dst_reg = 4, .imm = -4}, /* BPF_K is 0 */
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 5, .imm = sizeof(value)},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_setsockopt},
        {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 0},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
        {.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 1, .off = 1, .imm = expected},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR};
    attr.expected_attach_type = BPF_CGROUP_INET4_CONNECT;
    attr.insns = (uintptr_t)code, attr.insn_cnt = sizeof(code) / sizeof(code[0]);
    attr.license = (uintptr_t) "GPL";
    return (int)bpf(BPF_PROG_LOAD, &attr);
}

static void write_word(const char *dir, const char *name, const char *word)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    HOLDS(fd >= 0 && write(fd, word, strlen(word)) > 0);
    close(fd);
}

/** Whether bpf_setsockopt() returns that at a connect() of a process in the group. */
static bool returns(const char *group, int option, int value, int expected)
{
    int dir = open(group, O_DIRECTORY | O_CLOEXEC), status = -1;
    union bpf_attr attr = {.attach_type = BPF_CGROUP_INET4_CONNECT};
    attr.target_fd = (uint32_t)dir;
    attr.attach_bpf_fd = (uint32_t)program(option, value, expected);
    ask((int)attr.attach_bpf_fd >= 0 || (errno != EPERM && errno != EACCES));
    HOLDS((int)attr.attach_bpf_fd >= 0 && bpf(BPF_PROG_ATTACH, &attr) == 0);
    struct pair p = listening();
    pid_t pid = fork();
    if (pid == 0) {
        write_word(group, "cgroup.procs", "0");
        _exit(try_connect(&p, tcp_socket()) ? 1 : 0);
    }
    HOLDS(waitpid(pid, &status, 0) == pid);
    close(dir);
    return status == 0;
}

/** bpf_setsockopt() refuses TCP_LINGER2, by EINVAL; another option it takes. */
static void fact_20(void)
{
    char group[64];
    ask(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    ask(mount("none", GROUPS, "cgroup2", 0, NULL) == 0);
    (void)snprintf(group, sizeof(group), GROUPS "/notimewait-facts-%d", (int)getpid());
    ask(mkdir(group, 0755) == 0);
    bool keepalive = returns(group, TCP_KEEPIDLE, 60, 0);
    bool linger = returns(group, TCP_LINGER2, -1, -EINVAL);
    HOLDS(rmdir(group) == 0);
    HOLDS(keepalive && linger);
}

#endif
