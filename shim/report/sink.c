#include "report/sink.h"

#include "kernel/libc.h"
#include "kernel/process.h"
#include "policy/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef RWF_NOWAIT /* linux/fs.h */
#define RWF_NOWAIT 8
#endif

static const int log_flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

static struct stat stderr_at_start;
static bool stderr_usable;

struct sink sink_log = {.variable = "NOTIMEWAIT_LOG"};
struct sink sink_stats = {.variable = "NOTIMEWAIT_STATS"};

void sink_init(void)
{
    stderr_usable = fstat(STDERR_FILENO, &stderr_at_start) == 0;
}

/**
 * Records are never written to a socket. A message is, while the program has not begun, to one
 * of the UNIX domain: the journal's; not to what may be inetd's connection.
 */
static bool may_be_written(bool message)
{
    int domain = 0;
    socklen_t len = sizeof(domain);
    if (!S_ISSOCK(stderr_at_start.st_mode))
        return true;
    return message &&
           next.getsockopt(STDERR_FILENO, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
           domain == AF_UNIX;
}

/** fd 2 is what it was at start: programs close it, and get it again as a socket or a file. */
static bool stderr_is_stderr(void)
{
    struct stat now;
    return stderr_usable && fstat(STDERR_FILENO, &now) == 0 &&
           now.st_dev == stderr_at_start.st_dev && now.st_ino == stderr_at_start.st_ino;
}

/** What keeps our write from the program: its signals, and the thread's cancellation. */
struct guard {
    sigset_t before;  /* the thread's mask */
    sigset_t pending; /* of ours, those that were pending already: the program's own */
    int cancel;
};

static const int our_signals[] = {SIGPIPE, SIGXFSZ, SIGTTOU};
#define OUR_SIGNALS (sizeof(our_signals) / sizeof(our_signals[0]))

static void guard_begin(struct guard *guard)
{
    sigset_t ours;
    bool blocked = false;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &guard->cancel);
    sigemptyset(&ours);
    sigemptyset(&guard->pending);
    for (size_t i = 0; i < OUR_SIGNALS; i++)
        sigaddset(&ours, our_signals[i]);
    pthread_sigmask(SIG_BLOCK, &ours, &guard->before);
    for (size_t i = 0; i < OUR_SIGNALS; i++)
        blocked = blocked || sigismember(&guard->before, our_signals[i]) == 1;
    if (blocked) /* otherwise none can have been pending */
        sigpending(&guard->pending);
}

/** Takes away the signal that a failed write caused, and nothing else. */
static void take_signals(const struct guard *guard)
{
    sigset_t now;
    sigpending(&now);
    for (size_t i = 0; i < OUR_SIGNALS; i++) {
        sigset_t one;
        struct timespec at_once = {0};
        sigemptyset(&one);
        sigaddset(&one, our_signals[i]);
        if (sigismember(&now, our_signals[i]) == 1 &&
            sigismember(&guard->pending, our_signals[i]) == 0)
            sigtimedwait(&one, NULL, &at_once);
    }
}

static void guard_end(struct guard *guard, bool written)
{
    if (!written)
        take_signals(guard);
    pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
    pthread_setcancelstate(guard->cancel, NULL);
}

/** Writes to stderr unless it would wait. stderr's own flags are the program's. */
static bool write_stderr(const char *line, size_t len, bool message)
{
    if (!stderr_is_stderr() || !may_be_written(message))
        return false;
    if (S_ISREG(stderr_at_start.st_mode)) /* RWF_NOWAIT would fail on XFS and btrfs */
        return next.write(STDERR_FILENO, line, len) == (ssize_t)len;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)line, .iov_len = len};
    ssize_t r = next.pwritev2(STDERR_FILENO, &iov, 1, -1, RWF_NOWAIT);
    if (r < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)) {
        struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
        if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
            return false;
        r = next.write(STDERR_FILENO, line, len);
    }
    return r == (ssize_t)len;
}

/** The path with the pid in place of each %p. */
static void file_name(const struct sink *sink, struct text *name)
{
    for (const char *p = sink->path; *p; p++) {
        if (p[0] == '%' && p[1] == 'p') {
            text_number(name, (uint64_t)process_pid(), 1);
            p++;
        } else {
            text_char(name, *p);
        }
    }
}

static int open_file(const struct sink *sink, int extra_flags)
{
    char path[SINK_PATH_SIZE];
    struct text name = text_in(path, sizeof(path));
    file_name(sink, &name);
    if (name.cut) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, log_flags | extra_flags, 0666);
}

static bool write_file(const struct sink *sink, const char *line, size_t len)
{
    int fd = open_file(sink, O_CREAT);
    if (fd < 0)
        return false;
    bool written = next.write(fd, line, len) == (ssize_t)len;
    next.close(fd);
    return written;
}

bool sink_write(struct sink *sink, const char *line, size_t len)
{
    struct guard guard;
    guard_begin(&guard);
    bool written = sink->to_file ? write_file(sink, line, len) : write_stderr(line, len, false);
    guard_end(&guard, written);
    return written;
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
    struct guard guard;
    guard_begin(&guard);
    guard_end(&guard, write_stderr(buf, text.len, true));
}

/** The file can be opened, or made where it is not there yet; sets errno if not. */
static bool can_open(const struct sink *sink)
{
    int fd = open_file(sink, 0);
    if (fd >= 0) {
        next.close(fd);
        return true;
    }
    if (errno != ENOENT)
        return false;
    char directory[SINK_PATH_SIZE];
    memcpy(directory, sink->path, sizeof(directory));
    char *slash = strrchr(directory, '/');
    slash[slash == directory ? 1 : 0] = '\0';
    return access(directory, W_OK | X_OK) == 0;
}

/** The program may chdir(): a relative name is taken from where it started. */
static bool make_absolute(struct sink *sink, const char *file)
{
    struct text path = text_in(sink->path, sizeof(sink->path));
    if (file[0] != '/') {
        if (!getcwd(sink->path, sizeof(sink->path)))
            return false;
        path.len = strlen(sink->path);
        text_char(&path, '/');
    }
    text_str(&path, file);
    errno = ENAMETOOLONG;
    return !path.cut;
}

bool sink_open(struct sink *sink, const char *value)
{
    if (strcmp(value, "stderr") == 0)
        return true;
    sink->to_file = make_absolute(sink, value);
    if (sink->to_file && can_open(sink))
        return true;
    int error = errno;
    char buf[512];
    struct text text = text_in(buf, sizeof(buf));
    text_str(&text, "libnotimewait: ");
    text_str(&text, sink->variable);
    text_str(&text, ": '");
    text_printable(&text, value, strlen(value), 200);
    text_str(&text, "' cannot be opened: ");
    text_str(&text, strerror(error));
    text_str(&text, "; policies still apply");
    sink_message(buf);
    return sink->to_file;
}
