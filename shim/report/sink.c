#include "report/sink.h"

#include "kernel/file.h"
#include "kernel/libc.h"
#include "kernel/process.h"
#include "kernel/raw.h"
#include "policy/text.h"
#include "report/guard.h"
#include "report/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef RWF_NOWAIT /* linux/fs.h */
#define RWF_NOWAIT 0x8
#endif
#ifndef RWF_NOSIGNAL /* since Linux 6.18 */
#define RWF_NOSIGNAL 0x100
#endif

#define ASK_TYPE  0x1   /* STATX_TYPE, linux/stat.h */
#define ASK_INODE 0x100 /* STATX_INO */

/** What a file is, and which: struct statx (linux/stat.h), which not every libc has. */
struct identity {
    uint32_t unused[7];
    uint16_t mode, unused2;
    uint64_t inode;
    uint64_t unused3[12];
    uint32_t major, minor;
    uint64_t unused4[14];
};
_Static_assert(sizeof(struct identity) == 256, "struct statx");

static struct identity stderr_at_start;
static bool stderr_usable;
static _Atomic bool size_limited; /* RLIMIT_FSIZE is set: SIGXFSZ may come */
static _Atomic bool no_nosignal;  /* this kernel does not know RWF_NOSIGNAL */

struct sink sink_log = {.variable = "NOTIMEWAIT_LOG"};
struct sink sink_stats = {.variable = "NOTIMEWAIT_STATS"};
static struct sink messages;

static enum sink_kind kind_of(mode_t mode)
{
    if (S_ISREG(mode))
        return SINK_FILE;
    if (S_ISFIFO(mode))
        return SINK_PIPE;
    return S_ISSOCK(mode) ? SINK_SOCKET : SINK_DEVICE;
}

static enum sink_kind kind_of_stderr(void)
{
    enum sink_kind kind = kind_of(stderr_at_start.mode);
    struct winsize size;
    bool terminal = kind == SINK_DEVICE && S_ISCHR(stderr_at_start.mode) &&
                    raw_call(SYS_ioctl, STDERR_FILENO, TIOCGWINSZ, &size) == 0;
    return terminal ? SINK_TERMINAL : kind;
}

/**
 * By its number: at start, fstat() may be a sanitizer's, in the program, and not ready yet.
 * A filter that refuses statx() leaves stderr alone.
 */
static bool identify(int fd, struct identity *identity)
{
    return raw_call(SYS_statx, fd, "", AT_EMPTY_PATH, ASK_TYPE | ASK_INODE, identity) == 0;
}

void sink_init(void)
{
    stderr_usable = identify(STDERR_FILENO, &stderr_at_start);
    messages.kind = kind_of_stderr();
    size_limited = process_limit(RLIMIT_FSIZE) != UINT64_MAX;
}

void sink_size_limited(void)
{
    atomic_store(&size_limited, true);
}

/**
 * A message may go to a socket of the UNIX domain, the journal's; not to what may be inetd's
 * connection. Records are never written to a socket.
 */
static bool takes_messages(void)
{
    int domain = 0;
    socklen_t len = sizeof(domain);
    return messages.kind != SINK_SOCKET ||
           (next.getsockopt(STDERR_FILENO, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
            domain == AF_UNIX);
}

/** fd 2 is what it was at start: programs close it, and get it again as a socket or a file. */
static bool stderr_is_stderr(void)
{
    struct identity now;
    return stderr_usable && identify(STDERR_FILENO, &now) &&
           now.major == stderr_at_start.major && now.minor == stderr_at_start.minor &&
           now.inode == stderr_at_start.inode;
}

size_t sink_most(const struct sink *sink)
{
    return sink->kind == SINK_PIPE ? PIPE_BUF : SIZE_MAX;
}

/** One call; behind a record that a terminal took in part, on a line of its own. */
static ssize_t put(struct sink *sink, int fd, const char *line, size_t len, int flags)
{
    struct iovec iov[] = {{.iov_base = "\n", .iov_len = 1},
                          {.iov_base = (void *)(uintptr_t)line, .iov_len = len}};
    bool unfinished = atomic_load(&sink->unfinished);
    if (!unfinished)
        return flags ? raw_call(SYS_pwritev2, fd, iov + 1, 1L, -1L, -1L, flags)
                     : raw_call(SYS_write, fd, line, len);
    ssize_t r = flags ? raw_call(SYS_pwritev2, fd, iov, 2L, -1L, -1L, flags)
                      : raw_call(SYS_writev, fd, iov, 2L);
    if (r > 0)
        atomic_store(&sink->unfinished, false);
    return r > 0 ? r - 1 : r;
}

static bool is_unsupported(ssize_t r)
{
    return r < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL);
}

/** Never waits: stderr's own flags are the program's. */
static ssize_t put_now(struct sink *sink, int fd, const char *line, size_t len)
{
    if (sink->kind == SINK_FILE) /* RWF_NOWAIT would fail on XFS and btrfs */
        return put(sink, fd, line, len, 0);
    ssize_t r = put(sink, fd, line, len, RWF_NOWAIT);
    if (!is_unsupported(r))
        return r;
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    struct raw_time at_once = raw_time(0);
    if (raw_poll(&ready, 1, &at_once) != 1 || !(ready.revents & POLLOUT))
        return -1;
    return put(sink, fd, line, len, 0);
}

static ssize_t put_guarded(struct sink *sink, int fd, const char *line, size_t len)
{
    struct guard guard;
    guard_begin(&guard);
    ssize_t r = put_now(sink, fd, line, len);
    guard_end(&guard, r != (ssize_t)len);
    return r;
}

/** With no more system calls than the kind of file asks for. */
static ssize_t put_quietly(struct sink *sink, int fd, const char *line, size_t len)
{
    if (sink->kind == SINK_FILE && !atomic_load(&size_limited))
        return put(sink, fd, line, len, 0);
    if (sink->kind != SINK_PIPE || atomic_load(&no_nosignal))
        return put_guarded(sink, fd, line, len);
    ssize_t r = put(sink, fd, line, len, RWF_NOWAIT | RWF_NOSIGNAL);
    if (!is_unsupported(r))
        return r;
    atomic_store(&no_nosignal, true);
    return put_guarded(sink, fd, line, len);
}

/** Whole, or not at all: what a full disk took of it is taken back. */
static bool put_whole(struct sink *sink, int fd, const char *line, size_t len)
{
    ssize_t r = put_quietly(sink, fd, line, len);
    if (r > 0 && r < (ssize_t)len) {
        size_t part = (size_t)r;
        if (sink->kind != SINK_FILE ||
            !(sink->to_file ? undo_append(fd, line, part) : undo_shared(fd, line, part)))
            atomic_store(&sink->unfinished, true);
    }
    return r == (ssize_t)len;
}

/** The path, with the pid in place of each %p of the value's own text; false if it is too long.
 */
static bool file_name(const struct sink *sink, char path[SINK_PATH_SIZE])
{
    struct text name = text_in(path, SINK_PATH_SIZE);
    for (size_t i = 0; i < sink->own; i++)
        text_char(&name, sink->path[i]);
    text_name_for(&name, sink->path + sink->own, (uint64_t)process_pid());
    errno = name.cut ? ENAMETOOLONG : errno;
    return !name.cut;
}

static int open_file(const struct sink *sink)
{
    char path[SINK_PATH_SIZE];
    if (!file_name(sink, path))
        return -1;
    return raw_above_stderr(
        raw_call(SYS_openat, AT_FDCWD, path, FILE_APPEND_FLAGS | O_CREAT, 0600));
}

static bool write_file(struct sink *sink, const char *line, size_t len)
{
    process_opening();
    int fd = open_file(sink);
    bool written = fd >= 0 && put_whole(sink, fd, line, len);
    if (fd >= 0)
        raw_call(SYS_close, fd);
    process_opened();
    return written;
}

/**
 * A terminal that is not read takes a part and waits for more room, unless it was opened so.
 * Where it cannot be opened (another user's), it is written to as it is.
 */
static bool write_terminal(struct sink *sink, const char *line, size_t len)
{
    process_opening();
    int fd = raw_above_stderr(raw_call(SYS_openat, AT_FDCWD, "/proc/self/fd/2",
                                       O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    bool written = put_whole(sink, fd >= 0 ? fd : STDERR_FILENO, line, len);
    if (fd >= 0)
        raw_call(SYS_close, fd);
    process_opened();
    return written;
}

static bool write_stderr(struct sink *sink, const char *line, size_t len)
{
    if (!stderr_is_stderr())
        return false;
    return sink->kind == SINK_TERMINAL ? write_terminal(sink, line, len)
                                       : put_whole(sink, STDERR_FILENO, line, len);
}

/* By system calls alone, which are no cancellation points, as open() and write() are. */
bool sink_write(struct sink *sink, const char *line, size_t len)
{
    if (len > sink_most(sink))
        return false;
    return sink->to_file ? write_file(sink, line, len) : write_stderr(sink, line, len);
}

uint64_t sink_dropped(struct sink *sink)
{
    return atomic_exchange(&sink->dropped, 0);
}

void sink_drop(struct sink *sink, uint64_t records)
{
    atomic_fetch_add(&sink->dropped, records);
}

void sink_message(const char *line)
{
    char buf[1024];
    struct text text = text_in(buf, sizeof(buf));
    text_str(&text, line);
    text_str(&text, "\n");
    if (takes_messages())
        sink_write(&messages, buf, text.len);
}

/** One line for the operator: the variable, what is wrong with its value, and what follows. */
static void complain(const struct sink *sink, const char *value, const char *what,
                     const char *why)
{
    char buf[512];
    struct text text = text_in(buf, sizeof(buf));
    text_str(&text, "libnotimewait: ");
    text_str(&text, sink->variable);
    text_str(&text, ": '");
    text_printable(&text, value, strlen(value), 200);
    text_str(&text, what);
    text_str(&text, why);
    text_str(&text, "; policies still apply");
    sink_message(buf);
}

/** What the file is, where it is there. */
static void look_at_file(struct sink *sink, const char *path)
{
    struct identity now;
    if (raw_call(SYS_statx, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, ASK_TYPE, &now) == 0)
        sink->kind = kind_of(now.mode);
}

void sink_look_again(struct sink *sink)
{
    char path[SINK_PATH_SIZE];
    if (sink->to_file && file_name(sink, path))
        look_at_file(sink, path);
}

/**
 * The file can be opened, or made where it is not there yet; sets errno if not. A FIFO that
 * nobody reads yet, or a socket, is neither, and may become a pipe (open(2): ENXIO).
 */
static bool can_open(struct sink *sink)
{
    char path[SINK_PATH_SIZE];
    if (!file_name(sink, path))
        return false;
    look_at_file(sink, path);
    if (file_can_be_appended_to(path, next.close))
        return true;
    if (errno == ENXIO)
        sink->kind = SINK_PIPE;
    return false;
}

/** The program may chdir(): a relative name is taken from where it started. */
static bool make_absolute(struct sink *sink, const char *file)
{
    struct text path = text_in(sink->path, sizeof(sink->path));
    if (file[0] != '/') {
        long size = raw_call(SYS_getcwd, sink->path, sizeof(sink->path));
        if (size < 1 || sink->path[0] != '/') /* the kernel says "(unreachable)" (getcwd(3)) */
            return false;
        path.len = strlen(sink->path);
        text_char(&path, '/');
    }
    sink->own = path.len;
    text_str(&path, file);
    errno = ENAMETOOLONG;
    return !path.cut;
}

static bool open_stderr(struct sink *sink)
{
    sink->kind = messages.kind;
    if (stderr_usable && sink->kind == SINK_SOCKET)
        complain(sink, "stderr", "' is a socket, to which records are not written", "");
    return stderr_usable && sink->kind != SINK_SOCKET;
}

static const char *words_of(int error)
{
    char *(*own)(int error);
    next_own(&own, "strerror");
    if (error == ELOOP)
        return "Symbolic links are not followed";
    return own ? own(error) : "";
}

bool sink_open(struct sink *sink, const char *value)
{
    if (text_is(value, "stderr"))
        return open_stderr(sink);
    sink->to_file = make_absolute(sink, value);
    if (sink->to_file && can_open(sink))
        return true;
    complain(sink, value, "' cannot be opened: ", words_of(errno));
    return sink->to_file;
}
