#include "launcher/sockets.h"

#include "launcher/line.h"
#include "policy/number.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int option(int fd, int level, int name)
{
    int value = 0;
    socklen_t len = sizeof(value);
    return getsockopt(fd, level, name, &value, &len) == 0 ? value : 0;
}

static void ask_addresses(struct process_socket *socket)
{
    socklen_t len = sizeof(socket->local);
    if (getsockname(socket->copy, &socket->local.any, &len) != 0)
        socket->local.any.sa_family = AF_UNSPEC;
    len = sizeof(socket->peer);
    if (getpeername(socket->copy, &socket->peer.any, &len) != 0)
        socket->peer.any.sa_family = AF_UNSPEC;
}

static struct process_socket ask(int copy, int number)
{
    struct process_socket socket = {.copy = copy, .number = number};
    struct tcp_info info = {.tcpi_state = STATE_CLOSE};
    struct linger linger = {0};
    socklen_t len = sizeof(info);
    (void)getsockopt(copy, IPPROTO_TCP, TCP_INFO, &info, &len);
    socket.state = (enum tcp_state)info.tcpi_state;
    len = sizeof(linger);
    (void)getsockopt(copy, SOL_SOCKET, SO_LINGER, &linger, &len);
    socket.lingers = linger.l_onoff != 0;
    len = sizeof(socket.cookie);
    (void)getsockopt(copy, SOL_SOCKET, SO_COOKIE, &socket.cookie, &len);
    socket.linger2 = option(copy, IPPROTO_TCP, TCP_LINGER2);
    socket.reusable = option(copy, SOL_SOCKET, SO_REUSEADDR) != 0;
    socket.late_port = option(copy, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT) != 0;
    socket.seen_from_inside = option(copy, SOL_SOCKET, SO_NO_CHECK) != 0;
    ask_addresses(&socket);
    return socket;
}

static bool is_socket(int directory, const char *name)
{
    char link[32];
    ssize_t len = readlinkat(directory, name, link, sizeof(link));
    return len > 7 && memcmp(link, "socket:", 7) == 0;
}

/** 0, or an errno; EBADF: it was closed meanwhile. */
static int visit_one(int pidfd, int number, socket_visit *visit, void *context)
{
    int copy = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
    if (copy < 0)
        return errno;
    if (option(copy, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP) {
        struct process_socket socket = ask(copy, number);
        visit(&socket, context);
    }
    close(copy);
    return 0;
}

static int visit_all(DIR *directory, int pidfd, socket_visit *visit, void *context)
{
    int error = 0;
    for (struct dirent *entry; error == 0 && (entry = readdir(directory));) {
        if (!is_socket(dirfd(directory), entry->d_name))
            continue;
        error = visit_one(pidfd, (int)strtol(entry->d_name, NULL, 10), visit, context);
        error = error == EBADF ? 0 : error;
    }
    return error;
}

int sockets_each(pid_t process, socket_visit *visit, void *context)
{
    char path[64];
    int pidfd = (int)syscall(SYS_pidfd_open, process, 0);
    if (pidfd < 0) /* EINVAL: a thread that is not its process's first */
        return errno == EINVAL ? ESRCH : errno;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)process);
    DIR *directory = opendir(path);
    int error = directory ? visit_all(directory, pidfd, visit, context) : errno;
    if (directory)
        closedir(directory);
    close(pidfd);
    return error == EACCES ? EPERM : error == ENOENT ? ESRCH : error;
}

/** Yama's rule, where the kernel has it (kernel.yama.ptrace_scope). */
static int ptrace_scope(void)
{
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
    int scope = file ? fgetc(file) - '0' : 0;
    if (file)
        fclose(file);
    return scope;
}

const char *sockets_why_not(int error)
{
    if (error == ESRCH)
        return "there is no such process";
    if (error == ENOSYS)
        return "the kernel has no pidfd_getfd(2), which needs Linux 5.6";
    if (error != EPERM)
        return strerror(error);
    if (ptrace_scope() > 0)
        return "its sockets may not be copied: that needs CAP_SYS_PTRACE where "
               "kernel.yama.ptrace_scope is not 0";
    return "its sockets may not be copied: that needs its user and capabilities, or "
           "CAP_SYS_PTRACE";
}

/** Visits the children that one thread has, and theirs. */
static void each_child(const char *path, void (*visit)(pid_t process, void *context),
                       void *context)
{
    FILE *file = fopen(path, "re");
    char *word = NULL;
    size_t size = 0;
    while (file && getdelim(&word, &size, ' ', file) > 0) {
        pid_t child = (pid_t)strtol(word, NULL, 10);
        if (child > 0)
            sockets_each_process(child, true, visit, context);
    }
    free(word);
    if (file)
        fclose(file);
}

void sockets_each_process(pid_t process, bool tree, void (*visit)(pid_t process, void *context),
                          void *context)
{
    char path[sizeof("/proc//task//children") + 512];
    visit(process, context);
    snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
    DIR *threads = tree ? opendir(path) : NULL;
    for (struct dirent *thread; threads && (thread = readdir(threads));) {
        if (thread->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)process, thread->d_name);
        each_child(path, visit, context);
    }
    if (threads)
        closedir(threads);
}

void sockets_process_name(pid_t process, char *name, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)process);
    FILE *file = fopen(path, "re");
    if (!file || !fgets(name, (int)size, file))
        name[0] = '\0';
    name[strcspn(name, "\n")] = '\0';
    if (file)
        fclose(file);
}

pid_t sockets_parse_pid(const char *word)
{
    uint64_t pid;
    if (number_parse(word, strlen(word), 1, INT32_MAX, &pid))
        return (pid_t)pid;
    complain("'%s' is not a process's number", word);
    return 0;
}
