#include "report/undo.h"

#include "kernel/large.h"
#include "kernel/raw.h"
#include "policy/text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/** preadv() or pwritev(), by its number: libc's are cancellation points. */
static bool move(long number, int fd, void *buf, size_t n, off64_t at)
{
    struct iovec iov = {.iov_base = buf, .iov_len = n};
    return raw_call(number, fd, &iov, 1L, (long)at, (long)(at >> 32)) == (long)n;
}

/** The bytes at `at` are still those of `line`: nobody has moved the position meanwhile. */
static bool are_ours(int fd, const char *line, size_t part, off64_t at)
{
    char there[256];
    for (size_t done = 0, n; done < part; done += n) {
        n = part - done < sizeof(there) ? part - done : sizeof(there);
        if (!move(SYS_preadv, fd, there, n, at + (off64_t)done) ||
            memcmp(there, line + done, n) != 0)
            return false;
    }
    return true;
}

/** Blocks that are allocated take blanks on a full disk, too, unless it copies on write. */
static bool blank(int fd, size_t part, off64_t at)
{
    char blanks[256];
    memset(blanks, ' ', sizeof(blanks));
    for (size_t done = 0, n; done < part; done += n) {
        n = part - done < sizeof(blanks) ? part - done : sizeof(blanks);
        if (done + n == part)
            blanks[n - 1] = '\n';
        if (!move(SYS_pwritev, fd, blanks, n, at + (off64_t)done))
            return false;
    }
    return true;
}

/** Where a disk that copies on write has no room even for blanks: cuts what nobody followed. */
static bool cut(int fd, size_t part, off64_t at)
{
    return lseek64(fd, 0, SEEK_END) == at + (off64_t)part && ftruncate64(fd, at) == 0;
}

bool undo_append(int fd, const char *line, size_t part)
{
    (void)line;
    off64_t end = lseek64(fd, 0, SEEK_CUR);
    if (end < (off64_t)part)
        return false;
    off64_t at = end - (off64_t)part;
    /* With O_APPEND, Linux's pwrite() appends (pwrite(2), "Bugs"). */
    return raw_call(SYS_fcntl, fd, F_SETFL, O_NONBLOCK) == 0 &&
           (blank(fd, part, at) || cut(fd, part, at));
}

bool undo_shared(int fd, const char *line, size_t part)
{
    char path[32];
    struct text name = text_in(path, sizeof(path));
    text_str(&name, "/proc/self/fd/");
    text_number(&name, (uint64_t)fd, 1);
    off64_t end = lseek64(fd, 0, SEEK_CUR);
    if (end < (off64_t)part)
        return false;
    int flags = O_RDWR | O_CLOEXEC | O_NOCTTY | O_LARGEFILE;
    int own = raw_above_stderr(raw_call(SYS_openat, AT_FDCWD, path, flags));
    if (own < 0)
        return false;
    off64_t at = end - (off64_t)part;
    bool done = are_ours(own, line, part, at) && blank(own, part, at);
    raw_call(SYS_close, own);
    return done;
}
