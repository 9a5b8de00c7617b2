/*
 * intruder: a process of a command under `notimewait --reap` that names a connection which is
 * not its own.
 *
 * `intruder COOKIE UID`: becomes that user, tries every way to get the cookie into the
 * launcher's set, and prints a line for each: its name, and how many writes succeeded. With its
 * own uid it shows that the ways lead there.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PLACES 16384u /* COOKIES_MAX */

static uint64_t cookie;

/** Where the launcher's set is. */
static struct target {
    int pid;
    uint64_t address;
} target;

/** "/proc/PID/mem:ADDRESS:MARK" */
static int find_target(const char *reaper)
{
    char *at;
    if (!reaper || strncmp(reaper, "/proc/", 6) != 0)
        return 0;
    target.pid = (int)strtol(reaper + 6, &at, 10);
    if (strncmp(at, "/mem:", 5) != 0)
        return 0;
    target.address = strtoull(at + 5, &at, 10);
    return *at == ':';
}

/** The place of the cookie, behind the set's mark. */
static uint64_t place(void)
{
    return target.address + sizeof(uint64_t) * (1 + cookie % PLACES);
}

static int by_system_call(void)
{
    struct iovec local = {&cookie, sizeof(cookie)};
    struct iovec remote = {(void *)(uintptr_t)place(), sizeof(cookie)};
    return process_vm_writev(target.pid, &local, 1, &remote, 1, 0) == sizeof(cookie);
}

static int by_its_memory(void)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/mem", target.pid);
    int fd = open(path, O_WRONLY);
    return fd >= 0 && pwrite(fd, &cookie, sizeof(cookie), (off_t)place()) == sizeof(cookie);
}

/** Into each file that the launcher, or we, have open: such as one that is shared memory. */
static int by_files_of(int pid)
{
    char path[64];
    int written = 0;
    for (int i = 3; i < 64; i++) {
        (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, i);
        int fd = open(path, O_WRONLY | O_NONBLOCK);
        for (off_t at = 0; fd >= 0 && at < (off_t)(PLACES + 2) * 8; at += 8)
            written += pwrite(fd, &cookie, sizeof(cookie), at) == sizeof(cookie);
        if (fd >= 0)
            close(fd);
    }
    return written;
}

/** All over the memory that we share with others. */
static int by_shared_mappings(void)
{
    char line[512];
    int written = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof(line), maps)) {
        char *at;
        uintptr_t begin = strtoul(line, &at, 16);
        uintptr_t end = strtoul(at + 1, &at, 16);
        if (strncmp(at, " rw-s", 5) != 0) /* "BEGIN-END rw-s ..." */
            continue;
        for (; begin < end; begin += sizeof(cookie), written++)
            *(volatile uint64_t *)begin = cookie;
    }
    return written;
}

int main(int argc, char **argv)
{
    if (argc < 3 || !find_target(getenv("NOTIMEWAIT_REAPER")))
        return 2;
    cookie = strtoull(argv[1], NULL, 0);
    uid_t uid = (uid_t)strtoul(argv[2], NULL, 10);
    if (setresuid(uid, uid, uid) != 0)
        return 2;
    printf("system call %d\n", by_system_call());
    printf("its memory %d\n", by_its_memory());
    printf("its files %d\n", by_files_of(target.pid));
    printf("shared mappings %d\n", by_shared_mappings());
    return 0;
}
