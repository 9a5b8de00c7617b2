/*
 * facts about what is done to a process's sockets from outside: TIME_WAIT entries that are
 * destroyed, calls that are notified by seccomp, options that are set by pidfd_getfd().
 */
#ifndef FACTS_OUTSIDE_H
#define FACTS_OUTSIDE_H

#include "facts.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, uint64_t)
#endif

/** SOCK_DESTROY removes TIME_WAIT, silently, by the socket's own cookie. */
static void fact_8(void)
{
    struct pair p = connected();
    struct inet_diag_msg answer;
    uint64_t cookie = cookie_of(p.ours);
    long before = resets();
    close(p.ours), close(p.peers);
    HOLDS(becomes(kept_here, &p, TCP_TIME_WAIT));
    errno = diag(SOCK_DESTROY, &p.from, &p.to, cookie, &answer);
    HOLDS(errno == 0);
    HOLDS(becomes(kept_here, &p, 0) && resets() == before);
}

/** A filter that notifies of connect(); its listener, or -1. */
static int notify(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    HOLDS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                        &program);
}

/** In a child: connects under the filter, whose listener has a known number; then closes. (On
 * some machines libc's connect() is the call socketcall(2).) */
static void notified_child(struct pair *p)
{
    int fd = tcp_socket();
    int filter = notify();
    HOLDS(filter >= 0 && dup2(filter, 100) == 100);
    HOLDS(syscall(SYS_connect, fd, &p->to, sizeof(p->to)) == 0);
    HOLDS(get(fd, IPPROTO_TCP, TCP_LINGER2) == -1);
    _exit(0);
}

/** The listener, once the child has it. */
static int listener_of(int pidfd)
{
    for (int i = 0; i < 500; i++, sleep_ms(10)) {
        int fd = (int)syscall(SYS_pidfd_getfd, pidfd, 100, 0);
        if (fd >= 0)
            return fd;
        HOLDS(errno == EBADF);
    }
    return -1;
}

/** A notified connect(): the parent sets an option on the child's socket, and the call goes on.
 */
static void fact_18(void)
{
    struct pair p = listening();
    struct seccomp_notif call = {0};
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        notified_child(&p);
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    int filter = listener_of(pidfd);
    HOLDS(filter >= 0 && ioctl(filter, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0);
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)call.data.args[0], 0);
    HOLDS(fd >= 0 && call.data.nr == SYS_connect);
    set(fd, IPPROTO_TCP, TCP_LINGER2, -1);
    struct seccomp_notif_resp go = {call.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    HOLDS(ioctl(filter, SECCOMP_IOCTL_NOTIF_SEND, &go) == 0);
    HOLDS(waitpid(pid, &status, 0) == pid && status == 0);
    int first = notify();
    HOLDS(first >= 0 && notify() == -1 && errno == EBUSY);
}

/** The notifier can wake its supervisor on the same CPU (SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP).
 */
static void fact_18b(void)
{
    int filter = notify();
    HOLDS(filter >= 0 && ioctl(filter, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1) == 0);
}

/** TCP_LINGER2, set on a running server's listener from outside, is what it accepts has. */
static void fact_19(void)
{
    struct pair p = listening();
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        int fd = accept(p.listener, NULL, NULL);
        while (read(fd, &byte, 1) > 0) {
        }
        HOLDS(get(fd, IPPROTO_TCP, TCP_LINGER2) == -1);
        _exit(0);
    }
    int status = -1, pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, p.listener, 0);
    HOLDS(fd >= 0);
    set(fd, IPPROTO_TCP, TCP_LINGER2, -1);
    int client = tcp_socket();
    HOLDS(connect(client, (struct sockaddr *)&p.to, sizeof(p.to)) == 0);
    close(client);
    HOLDS(waitpid(pid, &status, 0) == pid && status == 0);
}

#endif
