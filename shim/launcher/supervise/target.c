#include "launcher/supervise/target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIDFD_OF_THREAD O_EXCL /* PIDFD_THREAD, 6.9 */

/* Each thread has one place, and a later one takes the place of an earlier one. */
#define PLACES 128

static struct {
    pid_t thread; /* 0: none */
    int pidfd;
} places[PLACES];

static bool no_thread_pidfds;

static int open_pidfd(pid_t thread, unsigned flags)
{
    return (int)syscall(SYS_pidfd_open, thread, flags);
}

pid_t target_process(pid_t thread)
{
    char path[64];
    char line[128];
    long process = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)thread);
    FILE *file = fopen(path, "re");
    while (file && process == 0 && fgets(line, sizeof(line), file))
        if (strncmp(line, "Tgid:", 5) == 0)
            process = strtol(line + 5, NULL, 10);
    if (file)
        fclose(file);
    return (pid_t)process;
}

/** *lasting: it is the thread's own, which no other thread can become. */
static int open_for(pid_t thread, bool *lasting)
{
    int pidfd = no_thread_pidfds ? -1 : open_pidfd(thread, PIDFD_OF_THREAD);
    *lasting = pidfd >= 0;
    if (pidfd >= 0 || (!no_thread_pidfds && errno != EINVAL))
        return pidfd;
    no_thread_pidfds = true;
    pid_t process = target_process(thread);
    *lasting = process == thread;
    if (process == 0)
        errno = ESRCH;
    return process ? open_pidfd(process, 0) : -1;
}

static int get_fd(int pidfd, int fd)
{
    return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

static void forget(unsigned place)
{
    if (places[place].thread)
        close(places[place].pidfd);
    places[place].thread = 0;
}

static int copy_of(pid_t thread, int fd, bool *known)
{
    unsigned place = (unsigned)thread % PLACES;
    bool lasting;
    *known = places[place].thread == thread;
    if (*known) {
        int copy = get_fd(places[place].pidfd, fd);
        if (copy >= 0 || errno != ESRCH)
            return copy;
        *known = false;
    }
    int pidfd = open_for(thread, &lasting);
    if (pidfd < 0)
        return -1;
    int copy = get_fd(pidfd, fd);
    int error = errno;
    if (lasting) {
        forget(place);
        places[place].thread = thread;
        places[place].pidfd = pidfd;
    } else {
        close(pidfd);
    }
    errno = error;
    return copy;
}

void target_forget(void)
{
    for (unsigned place = 0; place < PLACES; place++)
        forget(place);
}

int target_fd(pid_t thread, int fd, bool *known)
{
    int copy = copy_of(thread, fd, known);
    if (copy >= 0 || errno != EMFILE)
        return copy;
    target_forget();
    return copy_of(thread, fd, known);
}

bool target_read(pid_t thread, uint64_t address, void *to, size_t size)
{
    struct iovec local = {.iov_base = to, .iov_len = size};
    struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
    return process_vm_readv(thread, &local, 1, &there, 1, 0) == (ssize_t)size;
}

/** The value of an entry of /proc/PID/auxv, of this program's word size; 0: none. */
static uint64_t auxiliary_value(pid_t thread, unsigned long type)
{
    char path[64];
    unsigned long entries[64][2];
    snprintf(path, sizeof(path), "/proc/%d/auxv", (int)thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, entries, sizeof(entries)) : 0;
    if (fd >= 0)
        close(fd);
    for (size_t i = 0; len > 0 && i < (size_t)len / sizeof(entries[0]); i++)
        if (entries[i][0] == type)
            return entries[i][1];
    return 0;
}

/** A string in its memory, cut where it does not fit. What lies behind it may not be there. */
static bool read_string(pid_t thread, uint64_t address, char *to, size_t size)
{
    struct iovec local = {.iov_base = to, .iov_len = size - 1};
    struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = size - 1};
    ssize_t len = process_vm_readv(thread, &local, 1, &there, 1, 0);
    to[len > 0 ? len : 0] = '\0';
    return to[0] != '\0';
}

static void executable(pid_t thread, char *path, size_t size)
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/%d/exe", (int)thread);
    ssize_t len = readlink(link, path, size - 1);
    path[len > 0 ? len : 0] = '\0';
}

void target_program(pid_t thread, char *name, size_t size)
{
    char path[512];
    uint64_t address = auxiliary_value(thread, AT_EXECFN);
    if (!address || !read_string(thread, address, path, sizeof(path)))
        executable(thread, path, sizeof(path));
    const char *slash = strrchr(path, '/');
    snprintf(name, size, "%s", slash ? slash + 1 : path);
}
