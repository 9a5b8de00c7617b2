#include "report/board.h"

#include "kernel/raw.h"
#include "policy/text.h"
#include "report/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TMPFS  0x01021994 /* statfs(2); also what a memfd is on */
#define ASK    0x608      /* STATX_UID, _SIZE, _BLOCKS, linux/stat.h */
#define SEALED (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/** What is asked of a file: struct statx (linux/stat.h), which not every libc has. */
struct status {
    uint32_t unused[5];
    uint32_t owner, group;
    uint16_t mode, unused2;
    uint64_t inode, size, blocks; /* of 512 bytes */
    uint64_t unused3[25];
};
_Static_assert(sizeof(struct status) == 256, "struct statx");

static const struct part {
    const char *name;
    uint64_t size;
    int flags, protection;
} parts[] = {
    {"counters", sizeof(struct board), O_RDWR, PROT_READ | PROT_WRITE},
    {"switch", sizeof(struct board_switch), O_RDONLY, PROT_READ},
};

enum { COUNTERS, SWITCH };

#define OPEN_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)

static void close_fd(int fd)
{
    int saved = errno;
    raw_call(SYS_close, fd);
    errno = saved;
}

static const char *refuse(const char *why)
{
    errno = 0;
    return why;
}

/**
 * Every block of the file is there: on a full tmpfs a hole would be a SIGBUS for whoever writes
 * to it. Without the signal of a limit that is too low (setrlimit(2), RLIMIT_FSIZE).
 */
static bool allocate(int fd, uint64_t size)
{
    struct guard guard;
    guard_begin(&guard);
    int error = posix_fallocate(fd, 0, (off_t)size);
    guard_end(&guard, error != 0);
    errno = error;
    return error == 0;
}

/** Of a file, or of the directory that one is to be made in. */
static const char *check_place(int fd)
{
    struct statfs place;
    if (fstatfs(fd, &place) != 0)
        return "it cannot be looked at";
    bool tmpfs = (uint32_t)place.f_type == TMPFS;
    return tmpfs ? NULL : refuse("it is not on tmpfs, as /run and /dev/shm are");
}

/** Place, owner, kind and size; `fd` was opened as the part. */
static const char *check_file(int fd, const struct part *part)
{
    struct status status;
    const char *why = check_place(fd);
    if (why)
        return why;
    if (raw_call(SYS_statx, fd, "", AT_EMPTY_PATH, ASK | 0x3, &status) != 0)
        return "it cannot be looked at";
    if (!S_ISREG(status.mode))
        return refuse("it is no regular file");
    if (status.owner != 0 && status.owner != geteuid())
        return refuse("it is another user's");
    if (status.mode & (S_IWGRP | S_IWOTH) &&
        !(raw_call(SYS_fcntl, fd, F_GET_SEALS) & F_SEAL_SHRINK))
        return refuse("others than its owner may write to it");
    if (status.size != part->size)
        return refuse("it has another size than this version's");
    if (status.blocks * 512 < part->size)
        return allocate(fd, part->size) ? NULL : "it cannot be allocated";
    return NULL;
}

static const char *check_head(const struct board_head *head, const struct part *part)
{
    if (head->magic != BOARD_MAGIC)
        return refuse("it is no board");
    if (head->version != BOARD_VERSION || head->size != part->size)
        return refuse("it is of another version");
    return NULL;
}

/** Maps the open file; what is checked is what is mapped, whatever its name leads to by now. */
static const char *map(int fd, const struct part *part, void **memory)
{
    *memory = mmap(NULL, (size_t)part->size, part->protection, MAP_SHARED, fd, 0);
    if (*memory == MAP_FAILED)
        return "it cannot be mapped";
    const char *why = check_file(fd, part);
    why = why ? why : check_head(*memory, part);
    if (why)
        munmap(*memory, (size_t)part->size);
    return why;
}

static const char *open_part(int directory, const struct part *part, void **memory)
{
    int fd = (int)raw_call(SYS_openat, directory, part->name, part->flags | OPEN_FLAGS);
    if (fd < 0)
        return "it cannot be opened";
    const char *why = map(fd, part, memory);
    close_fd(fd);
    return why;
}

/** The launcher's: a file of counters alone, which nobody can cut off. */
static const char *open_sealed(const char *path, struct board_view *view)
{
    void *memory;
    int fd = (int)raw_call(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return "it cannot be opened";
    bool sealed = (raw_call(SYS_fcntl, fd, F_GET_SEALS) & F_SEAL_SHRINK) != 0;
    const char *why =
        sealed ? map(fd, &parts[COUNTERS], &memory) : refuse("it is not the launcher's");
    close_fd(fd);
    if (!why)
        view->counters = memory;
    return why;
}

static const char *open_parts(int directory, struct board_view *view)
{
    void *counters, *word;
    const char *why = open_part(directory, &parts[COUNTERS], &counters);
    if (why)
        return why;
    why = open_part(directory, &parts[SWITCH], &word);
    if (why) {
        munmap(counters, sizeof(struct board));
        return why;
    }
    *view = (struct board_view){.counters = counters, .word = word};
    return NULL;
}

const char *board_open(const char *path, struct board_view *view)
{
    *view = (struct board_view){.counters = NULL};
    if (text_behind(path, "/proc/"))
        return open_sealed(path, view);
    int directory =
        (int)raw_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return "it cannot be opened";
    const char *why = open_parts(directory, view);
    close_fd(directory);
    return why;
}

/** Makes an open, empty file a board's. */
static bool fill(int fd, const struct part *part)
{
    struct board_head head = {
        .magic = BOARD_MAGIC, .version = BOARD_VERSION, .size = part->size};
    return allocate(fd, part->size) &&
           raw_call(SYS_write, fd, &head, sizeof(head)) == (long)sizeof(head);
}

/** "counters.1234": the file until it is whole. */
static void temporary_name(const struct part *part, char name[32])
{
    struct text text = text_in(name, 32);
    text_str(&text, part->name);
    text_char(&text, '.');
    text_number(&text, (uint64_t)raw_call(SYS_getpid), 1);
}

/**
 * Makes the file where it is not there. Under another name first, so that nobody ever sees it
 * in part; where two processes make it, the first one's stays.
 */
static bool make_part(int directory, const struct part *part)
{
    char name[32];
    if (raw_call(SYS_faccessat, directory, part->name, F_OK) == 0)
        return true;
    temporary_name(part, name);
    raw_call(SYS_unlinkat, directory, name, 0); /* of a process that died here */
    int fd =
        (int)raw_call(SYS_openat, directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool made = fill(fd, part) &&
                (raw_call(SYS_linkat, directory, name, directory, part->name, 0) == 0 ||
                 errno == EEXIST);
    close_fd(fd);
    int saved = errno;
    raw_call(SYS_unlinkat, directory, name, 0);
    errno = saved;
    return made;
}

static void remove_directory(const char *path)
{
    int saved = errno;
    raw_call(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
    errno = saved;
}

const char *board_make(const char *path)
{
    bool is_new = raw_call(SYS_mkdirat, AT_FDCWD, path, 0700) == 0;
    if (!is_new && errno != EEXIST)
        return "it cannot be made";
    int directory =
        (int)raw_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return "it cannot be opened";
    const char *why = check_place(directory);
    if (why && is_new)
        remove_directory(path);
    if (!why &&
        !(make_part(directory, &parts[SWITCH]) && make_part(directory, &parts[COUNTERS])))
        why = "its files cannot be made";
    close_fd(directory);
    return why;
}

int board_make_sealed(void)
{
    int fd = (int)raw_call(SYS_memfd_create, "notimewait", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (fill(fd, &parts[COUNTERS]) && raw_call(SYS_fcntl, fd, F_ADD_SEALS, SEALED) == 0)
        return fd;
    close_fd(fd);
    return -1;
}
