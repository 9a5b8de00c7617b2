/*
 * facts about what is done to a process's sockets from outside: TIME_WAIT entries that are
 * destroyed, calls that are notified by seccomp, options that are set by pidfd_getfd().
 */
#ifndef FACTS_OUTSIDE_H
#define FACTS_OUTSIDE_H

#include "facts.h"

#include "facts_uring.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/un.h>

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
    HOLDS(diag(SOCK_DESTROY, &p.from, &p.to, cookie + 1, &answer) != 0); /* another socket's */
    HOLDS(kept_here(&p) == TCP_TIME_WAIT);
    errno = diag(SOCK_DESTROY, &p.from, &p.to, cookie, &answer);
    HOLDS(errno == 0);
    HOLDS(becomes(kept_here, &p, 0) && resets() == before);
}

/** A filter that notifies of connect(); its listener, or -1. No right is asked for first. */
static int notify_as_is(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                        &program);
}

static int notify(void)
{
    HOLDS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    return notify_as_is();
}

/** In a child, until it has ended: what it does under the filter, whose listener has a known
 * number. (On some machines libc's connect() is the call socketcall(2), so it says
 * SYS_connect.)
 */
struct notified {
    pid_t pid;
    int filter; /* the listener; taken from the child, which has it no more */
};

static void handler(int signal)
{
    (void)signal;
}

static struct notified notified_child(struct pair *p, void (*connects)(struct pair *p))
{
    int taken[2];
    HOLDS(pipe(taken) == 0);
    struct notified child = {.pid = fork(), .filter = -1};
    if (child.pid == 0) {
        p->ours = tcp_socket();
        (void)sigaction(SIGUSR1, &(struct sigaction){.sa_handler = handler}, NULL);
        int filter = notify();
        HOLDS(filter >= 0 && dup2(filter, 100) == 100 && close(filter) == 0);
        HOLDS(read(taken[0], buf, 1) == 1 && close(100) == 0);
        connects(p);
        _exit(0);
    }
    int pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
    for (int i = 0; i < 500 && child.filter < 0; i++, sleep_ms(10)) {
        child.filter = (int)syscall(SYS_pidfd_getfd, pidfd, 100, 0);
        HOLDS(child.filter >= 0 || errno == EBADF);
    }
    HOLDS(child.filter >= 0 && write(taken[1], buf, 1) == 1);
    close(pidfd), close(taken[0]), close(taken[1]);
    return child;
}

static long connect_call(struct pair *p)
{
    return syscall(SYS_connect, p->ours, &p->to, sizeof(p->to));
}

static void has_option(struct pair *p)
{
    HOLDS(connect_call(p) == 0 && get(p->ours, IPPROTO_TCP, TCP_LINGER2) == -1);
}

/** A notified connect(): the parent sets an option on the child's socket, and the call goes on.
 */
static void option_from_outside(void)
{
    struct pair p = listening();
    struct seccomp_notif call = {0};
    struct notified child = notified_child(&p, has_option);
    HOLDS(ioctl(child.filter, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0);
    int pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)call.data.args[0], 0);
    HOLDS(fd >= 0 && call.data.nr == SYS_connect);
    set(fd, IPPROTO_TCP, TCP_LINGER2, -1);
    struct seccomp_notif_resp go = {call.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    HOLDS(ioctl(child.filter, SECCOMP_IOCTL_NOTIF_SEND, &go) == 0 && ended_well(child.pid));
    close(child.filter), close(pidfd), close(fd);
}

static void is_refused(struct pair *p)
{
    HOLDS(connect_call(p) == -1 && errno == ENOSYS);
    int local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un nowhere = {.sun_family = AF_UNIX, .sun_path = "/nowhere"};
    HOLDS(syscall(SYS_connect, local, &nowhere, sizeof(nowhere)) == -1 && errno == ENOSYS);
    int error = connect_by_ring(p->ours, &p->to);
    printf("connect() by io_uring: %s\n", error < 0 ? "there is none" : strerrorname_np(error));
    HOLDS(error <= 0 && (error < 0 || state_of(p->ours) == TCP_ESTABLISHED));
}

/** The supervisor is gone: every notified call fails, whatever its family. What io_uring does
 * is no call, and connects. */
static void without_supervisor(void)
{
    struct pair p = listening();
    struct notified child = notified_child(&p, is_refused);
    HOLDS(poll(&(struct pollfd){.fd = child.filter, .events = POLLIN}, 1, 5000) == 1);
    close(child.filter);
    HOLDS(ended_well(child.pid));
}

static void is_interrupted(struct pair *p)
{
    HOLDS(fcntl(p->ours, F_SETFL, O_NONBLOCK) == 0);
    HOLDS(connect_call(p) == -1 && errno == EINTR && state_of(p->ours) == TCP_CLOSE);
}

/** A signal, without SA_RESTART, before the notification is received: EINTR, and the connect()
 * of a non-blocking socket has not begun. */
static void interrupted(void)
{
    struct pair p = listening();
    struct notified child = notified_child(&p, is_interrupted);
    HOLDS(poll(&(struct pollfd){.fd = child.filter, .events = POLLIN}, 1, 5000) == 1);
    HOLDS(kill(child.pid, SIGUSR1) == 0 && ended_well(child.pid));
    close(child.filter);
}

/** Without CAP_SYS_ADMIN no filter is taken from a process that may still gain privileges by
 * exec. */
static void needs_no_new_privs(void)
{
    HOLDS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
    HOLDS(notify_as_is() == -1 && errno == EACCES);
    HOLDS(notify() >= 0);
}

/** With CAP_SYS_ADMIN it is, and the process may gain them as before. */
static void by_capability(void)
{
    pid_t pid = child();
    if (pid == 0) {
        HOLDS(notify_as_is() >= 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
        _exit(0);
    }
    HOLDS(ended_well(pid));
}

/** A notified connect() is supervised by any user; who is notified, and who is not. */
static void fact_18(void)
{
    without_privilege(needs_no_new_privs);
    by_capability();
    without_privilege(option_from_outside);
    without_supervisor();
    interrupted();
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

/** Whether what the child accepts next has this TCP_LINGER2. */
static void accepts_with(struct pair *p, int value)
{
    pid_t pid = fork();
    if (pid == 0) {
        int fd = accept(p->listener, NULL, NULL);
        while (read(fd, buf, 1) > 0) {
        }
        HOLDS(get(fd, IPPROTO_TCP, TCP_LINGER2) == value);
        _exit(0);
    }
    int client = tcp_socket();
    HOLDS(connect(client, (struct sockaddr *)&p->to, sizeof(p->to)) == 0);
    close(client);
    HOLDS(ended_well(pid));
}

/** TCP_LINGER2, set on a running server's listener from outside, is what it accepts has; and
 * set back it is the kernel's own. */
static void fact_19(void)
{
    struct pair p = listening();
    pid_t holder = fork();
    if (holder == 0) {
        pause();
        _exit(0);
    }
    int pidfd = (int)syscall(SYS_pidfd_open, holder, 0);
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, p.listener, 0);
    HOLDS(fd >= 0);
    int before = get(p.listener, IPPROTO_TCP, TCP_LINGER2);
    set(fd, IPPROTO_TCP, TCP_LINGER2, -1);
    accepts_with(&p, -1);
    set(fd, IPPROTO_TCP, TCP_LINGER2, 0);
    accepts_with(&p, before);
    HOLDS(kill(holder, SIGKILL) == 0 && waitpid(holder, NULL, 0) == holder);
}

#endif
