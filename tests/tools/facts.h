/*
 * facts' words: two ends of a connection on loopback in one process, what the kernel keeps of
 * it, and its counters.
 */
#ifndef FACTS_H
#define FACTS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SOCK_DESTROY
#define SOCK_DESTROY 21
#endif

/** Ends a fact, which then does not hold, with what was seen. */
#define HOLDS(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            printf("no: line %d: %s, %s\n", __LINE__, #condition, strerrorname_np(errno));     \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

/** The ends of a connection: ours and the peer's; its ports. */
struct pair {
    int listener, ours, peers;
    struct sockaddr_in to, from;
};

static const int on = 1;
static char buf[65536];

static void sleep_ms(long ms)
{
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&ts, NULL);
}

static int tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    HOLDS(fd >= 0);
    return fd;
}

static void set(int fd, int level, int option, int value)
{
    HOLDS(setsockopt(fd, level, option, &value, sizeof(value)) == 0);
}

static int get(int fd, int level, int option)
{
    int value = -99;
    socklen_t len = sizeof(value);
    getsockopt(fd, level, option, &value, &len);
    return value;
}

static void set_linger(int fd, int onoff, int seconds)
{
    struct linger linger = {onoff, seconds};
    HOLDS(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
}

static struct pair listening_on(uint32_t address)
{
    struct pair p = {.listener = tcp_socket(), .ours = -1, .peers = -1};
    socklen_t len = sizeof(p.to);
    p.to = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    HOLDS(bind(p.listener, (struct sockaddr *)&p.to, len) == 0 && listen(p.listener, 64) == 0);
    HOLDS(getsockname(p.listener, (struct sockaddr *)&p.to, &len) == 0);
    return p;
}

static struct pair listening(void)
{
    return listening_on(INADDR_LOOPBACK);
}

/** connect() of a socket that may be bound. 0 or an errno. */
static int try_connect(struct pair *p, int fd)
{
    socklen_t len = sizeof(p->from);
    if (connect(fd, (struct sockaddr *)&p->to, sizeof(p->to)))
        return errno;
    p->ours = fd;
    p->peers = accept(p->listener, NULL, NULL);
    HOLDS(p->peers >= 0 && getsockname(fd, (struct sockaddr *)&p->from, &len) == 0);
    return 0;
}

static struct pair connected(void)
{
    struct pair p = listening();
    int fd = tcp_socket();
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    HOLDS(try_connect(&p, fd) == 0);
    return p;
}

/** Writes until no more fits, here and at the peer: the number of bytes. */
static size_t fill(int fd)
{
    size_t sum = 0;
    HOLDS(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
    for (int i = 0; i < 10; i++, sleep_ms(10)) /* the peer's kernel takes some later */
        for (ssize_t n; (n = write(fd, buf, sizeof(buf))) > 0; i = 0)
            sum += (size_t)n;
    return sum;
}

/** Reads to the end: the number of bytes. errno is 0 at EOF, or what ended the connection. */
static size_t received(int fd)
{
    size_t sum = 0;
    ssize_t n;
    while ((n = read(fd, buf, sizeof(buf))) > 0)
        sum += (size_t)n;
    errno = n < 0 ? errno : 0;
    return sum;
}

static int state_of(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    HOLDS(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
    return info.tcpi_state;
}

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);
    HOLDS(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0);
    return cookie;
}

/* --- other processes --- */

/** fork(); the child does not outlive us. */
static pid_t child(void)
{
    pid_t pid = fork();
    HOLDS(pid >= 0);
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static bool ended_well(pid_t pid)
{
    int status = -1;
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static void end(pid_t pid)
{
    HOLDS(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

/** Another user without any capability; where no other user is mapped, this one without. */
static void drop_privilege(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    HOLDS(setresgid(65534, 65534, 65534) == 0 || errno == EINVAL);
    HOLDS(setresuid(65534, 65534, 65534) == 0 || errno == EINVAL);
    HOLDS(syscall(SYS_capset, &head, none) == 0);
    prctl(PR_SET_DUMPABLE, 1); /* its children may be looked at by itself */
}

/** The check holds for a process without privilege, too. */
static void without_privilege(void (*check)(void))
{
    pid_t pid = child();
    if (pid == 0) {
        drop_privilege();
        check();
        _exit(0);
    }
    HOLDS(ended_well(pid));
}

/* --- what the kernel keeps --- */

/** Asks sock_diag for one socket, or destroys it. 0 and the answer, or an errno. */
static int diag(uint16_t type, const struct sockaddr_in *from, const struct sockaddr_in *to,
                uint64_t cookie, struct inet_diag_msg *answer)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 ask;
    } request = {.head = {sizeof(request), type, NLM_F_REQUEST, 0, 0},
                 .ask = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP}};
    char reply[8192] __attribute__((aligned(8)));
    struct nlmsghdr *head = (void *)reply;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (type == SOCK_DESTROY)
        request.head.nlmsg_flags |= NLM_F_ACK;
    request.ask.idiag_states = UINT32_MAX;
    request.ask.id.idiag_sport = from->sin_port, request.ask.id.idiag_dport = to->sin_port;
    request.ask.id.idiag_src[0] = from->sin_addr.s_addr;
    request.ask.id.idiag_dst[0] = to->sin_addr.s_addr;
    request.ask.id.idiag_cookie[0] = (uint32_t)cookie;
    request.ask.id.idiag_cookie[1] = (uint32_t)(cookie >> 32);
    HOLDS(fd >= 0 && send(fd, &request, sizeof(request), 0) == sizeof(request));
    HOLDS(recv(fd, reply, sizeof(reply), 0) > 0);
    close(fd);
    if (head->nlmsg_type == NLMSG_ERROR)
        return -((struct nlmsgerr *)NLMSG_DATA(head))->error;
    *answer = *(struct inet_diag_msg *)NLMSG_DATA(head);
    return 0;
}

/** A socket's state by its addresses; 0: there is none, or only the listener. FIN_WAIT2 of a
 * bucket is TCP_FIN_WAIT2.
 */
static int kept(const struct sockaddr_in *from, const struct sockaddr_in *to)
{
    struct inet_diag_msg answer = {0};
    uint64_t any = UINT64_MAX; /* INET_DIAG_NOCOOKIE, twice */
    int error = diag(SOCK_DIAG_BY_FAMILY, from, to, any, &answer);
    HOLDS(error == 0 || error == ENOENT);
    return error || answer.idiag_state == TCP_LISTEN ? 0 : answer.idiag_state;
}

static int kept_here(const struct pair *p)
{
    return kept(&p->from, &p->to);
}

static int kept_there(const struct pair *p)
{
    return kept(&p->to, &p->from);
}

/** Until that is kept here, at most 5 s. */
static bool becomes(int (*kept_where)(const struct pair *), const struct pair *p, int state)
{
    for (int i = 0; i < 500; i++, sleep_ms(10))
        if (kept_where(p) == state)
            return true;
    return false;
}

/* --- counters --- */

/** One of /proc/net/snmp or netstat: the word's place in the line of names tells the value's.
 */
static long counter(const char *file, const char *line, const char *name)
{
    static char names[16384], values[16384];
    FILE *f = fopen(file, "re");
    HOLDS(f);
    while (fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
        char *at_name, *at_value, *n, *v;
        if (strncmp(names, line, strlen(line)) != 0)
            continue;
        n = strtok_r(names, " \n", &at_name), v = strtok_r(values, " \n", &at_value);
        for (; n && v;
             n = strtok_r(NULL, " \n", &at_name), v = strtok_r(NULL, " \n", &at_value))
            if (strcmp(n, name) == 0) {
                (void)fclose(f);
                return strtol(v, NULL, 10);
            }
    }
    HOLDS(!"a counter");
    return 0;
}

static long resets(void)
{
    return counter("/proc/net/snmp", "Tcp:", "OutRsts");
}

/** As many RSTs as that, and no more, are sent, at most 5 s later: a socket is gone before its
 * RST is counted. */
static bool sends_resets(long wanted)
{
    for (int i = 0; i < 500 && resets() < wanted; i++)
        sleep_ms(10);
    return resets() == wanted;
}

/** A number that the kernel shows in a file; -1: there is no such file. */
static long sysctl_value(const char *path)
{
    char text[32] = "-1";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    HOLDS(fd < 0 || read(fd, text, sizeof(text) - 1) > 0);
    close(fd);
    return strtol(text, NULL, 10);
}

/** What a fact has changed, for the facts that come after it. */
static struct {
    char path[64], value[64];
} undo[8];
static size_t changed;

static void restore_sysctls(void)
{
    while (changed-- > 0) {
        int fd = open(undo[changed].path, O_WRONLY | O_CLOEXEC);
        (void)!write(fd, undo[changed].value, strlen(undo[changed].value));
        close(fd);
    }
}

static void sysctl(const char *name, const char *value)
{
    HOLDS(changed < sizeof(undo) / sizeof(undo[0]));
    char *path = undo[changed].path, *old = undo[changed].value;
    (void)snprintf(path, sizeof(undo->path), "/proc/sys/net/ipv4/%s", name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    HOLDS(fd >= 0 && read(fd, old, sizeof(undo->value) - 1) > 0);
    if (changed++ == 0)
        HOLDS(atexit(restore_sysctls) == 0);
    HOLDS(pwrite(fd, value, strlen(value), 0) > 0);
    close(fd);
}

#endif
