#include "launcher/supervise/processes.h"

#include "kernel/file.h"
#include "kernel/raw.h"
#include "launcher/line.h"
#include "launcher/memory.h"
#include "launcher/supervise/target.h"
#include "policy/settings.h"
#include "policy/text.h"
#include "report/json.h"
#include "report/undo.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

#define LOOK_MS 500

/* A program, in the process that runs it: an exec() of another makes another of it. */
struct process {
    pid_t pid;
    int pidfd; /* -1: there was none to be had */
    char program[256];
    uint64_t connections[POLICIES_MAX],
        recycled[POLICIES_MAX]; /* as settings.config.policies */
};

static const char *file; /* NULL: nobody wants them */
static struct process *all;
static size_t room, count;
static int64_t next_look_ms;

/** The file's name for a process: its pid in place of each %p. */
static bool name_for(pid_t pid, char path[PATH_MAX])
{
    struct text name = text_in(path, PATH_MAX);
    text_name_for(&name, file, (uint64_t)pid);
    errno = name.cut ? ENAMETOOLONG : errno;
    return !name.cut;
}

static bool to_stderr(void)
{
    return strcmp(file, "stderr") == 0;
}

static bool is_kind(int fd, mode_t kind)
{
    struct stat what;
    return fstat(fd, &what) == 0 && (what.st_mode & S_IFMT) == kind;
}

static void complain_of_file(void)
{
    complain("--stats: '%s' cannot be written: %s; policies still apply", file,
             errno == ELOOP ? "Symbolic links are not followed" : strerror(errno));
}

void processes_begin(const char *value)
{
    char path[PATH_MAX];
    file = value;
    if (file && to_stderr() && is_kind(STDERR_FILENO, S_IFSOCK)) { /* inetd's connection? */
        complain("--stats: 'stderr' is a socket, to which records are not written; policies "
                 "still apply");
        file = NULL;
    }
    if (file && !to_stderr() &&
        (!name_for(getpid(), path) || !file_can_be_appended_to(path, close)))
        complain_of_file();
}

/* --- its record --- */

static void add_null(struct text *text, const char *name)
{
    json_key(text, name);
    text_str(text, "null");
}

static void add_times(struct text *text, const char *name)
{
    json_key(text, name);
    text_char(text, '{');
    add_null(text, "p50");
    add_null(text, "p99");
    add_null(text, "max");
    text_char(text, '}');
}

static void add_policy(struct text *text, const struct process *process, unsigned i)
{
    char name[32];
    struct text policy_name = text_in(name, sizeof(name));
    policy_text(&policy_name, &settings.config.policies.all[i]);
    text_str(text, text->buf[text->len - 1] == '[' ? "{" : ",{");
    json_string(text, "policy", name);
    json_number(text, "connections", process->connections[i]);
    add_null(text, "closes");
    json_number(text, "recycled", process->recycled[i]);
    add_null(text, "actions");
    add_null(text, "reasons");
    add_null(text, "time_wait_avoided");
    add_null(text, "time_wait_left");
    add_null(text, "connect_errors");
    add_null(text, "io_errors");
    add_times(text, "close_us");
    add_times(text, "connect_us");
    text_char(text, '}');
}

static bool stderr_takes(void)
{
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&ready, 1, 0) == 1;
}

/** Never waits for a reader of stderr, whose flags are the program's: every notified call would
 * wait, too. (RWF_NOWAIT would fail on some file systems.) */
static ssize_t put(int fd, const char *line, size_t len)
{
    struct iovec part = {(void *)(uintptr_t)line, len};
    if (is_kind(fd, S_IFREG))
        return write(fd, line, len);
    ssize_t r = raw_call(SYS_pwritev2, fd, &part, 1L, -1L, -1L, RWF_NOWAIT);
    if (r >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
        return r;
    if (fd != STDERR_FILENO || stderr_takes()) /* others are O_NONBLOCK */
        return write(fd, line, len);
    errno = EAGAIN;
    return -1;
}

/** False with errno. Whole, or not at all. */
static bool append(int fd, const char *line, size_t len)
{
    if (is_kind(fd, S_IFIFO) && len > PIPE_BUF) {
        errno = EMSGSIZE;
        return false;
    }
    ssize_t written = put(fd, line, len);
    if (written > 0 && written < (ssize_t)len) {
        (void)undo_append(fd, line, (size_t)written);
        errno = ENOSPC;
    }
    return written == (ssize_t)len;
}

static bool append_to_file(pid_t pid, const char *line, size_t len)
{
    char path[PATH_MAX];
    if (to_stderr())
        return append(STDERR_FILENO, line, len);
    int fd = name_for(pid, path) ? open(path, FILE_APPEND_FLAGS | O_CREAT, 0600) : -1;
    bool appended = fd >= 0 && append(fd, line, len);
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return appended;
}

static void record(const struct process *process)
{
    static char line[1 << 16];
    static bool complained;
    struct text text = text_in(line, sizeof(line));
    text_char(&text, '{');
    json_number(&text, "pid", (uint64_t)process->pid);
    json_string(&text, "program", process->program);
    json_key(&text, "policies");
    text_char(&text, '[');
    for (unsigned i = 0; i < POLICIES_MAX; i++)
        if (process->connections[i] > 0)
            add_policy(&text, process, i);
    text_str(&text, "]}\n");
    if (append_to_file(process->pid, line, text.len) || complained)
        return;
    if (!stderr_takes()) /* the complaint would wait */
        return;
    complain_of_file();
    complained = true;
}

/* --- who is there --- */

/** Its record, and another one in its place. */
static void end(size_t i)
{
    record(&all[i]);
    if (all[i].pidfd >= 0)
        close(all[i].pidfd);
    all[i] = all[--count];
}

/** A pidfd is readable once the process has ended (pidfd_open(2)). */
static bool has_ended(const struct process *process)
{
    struct pollfd ended = {.fd = process->pidfd, .events = POLLIN};
    if (process->pidfd < 0)
        return kill(process->pid, 0) != 0 && errno == ESRCH;
    return poll(&ended, 1, 0) == 1;
}

/** Half of the files that may be open is left for what the calls need. */
static int hold(pid_t pid)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || count > files.rlim_cur / 2)
        return -1;
    return (int)raw_call(SYS_pidfd_open, pid, 0);
}

static struct process *find(pid_t pid, const char *program)
{
    for (size_t i = 0; i < count; i++) {
        if (all[i].pid != pid)
            continue;
        if (strcmp(all[i].program, program) == 0 && !has_ended(&all[i]))
            return &all[i];
        end(i);
        break;
    }
    all = grow(all, &room, count + 1, sizeof(*all));
    struct process *process = &all[count++];
    *process = (struct process){.pid = pid, .pidfd = hold(pid)};
    snprintf(process->program, sizeof(process->program), "%s", program);
    return process;
}

void processes_count(pid_t thread, const char *program, const struct policy *policy,
                     bool recycled)
{
    size_t i = (size_t)(policy - settings.config.policies.all);
    pid_t pid = file ? target_process(thread) : 0;
    if (pid == 0) /* nobody asks, or it has been killed */
        return;
    struct process *process = find(pid, program);
    process->connections[i]++;
    process->recycled[i] += recycled;
}

int processes_expire(int64_t now_ms)
{
    if (count == 0)
        return -1;
    if (now_ms >= next_look_ms) {
        for (size_t i = count; i-- > 0;)
            if (has_ended(&all[i]))
                end(i);
        next_look_ms = now_ms + LOOK_MS;
    }
    return (int)(next_look_ms - now_ms);
}

void processes_end(void)
{
    while (count > 0)
        end(count - 1);
}
