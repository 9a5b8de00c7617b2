/*
 * raw: system calls by their number that no hook sees.
 *
 * Owns: the instruction that makes them. libc's syscall() would do, but its name leads to our
 * hook here, or to that of a library which is preloaded beside us (torsocks's ends the process
 * at a SYS_recvmsg). In the launcher, which has no hooks, it is the name (launcher/raw.c).
 */
#ifndef RAW_H
#define RAW_H

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef long raw_function(long number, ...);

raw_function *raw_own(void);

/** As syscall(2): -1 with errno. No cancellation point. */
#define raw_call(...) raw_own()(__VA_ARGS__)

#ifdef __x86_64__
typedef long long raw_long; /* on x32 the kernel's have 64 bits, too */
#else
typedef long raw_long;
#endif

/**
 * A length of time as ppoll(2), futex(2) and rt_sigtimedwait(2) take it by their numbers: where
 * long has 32 bits and time_t 64, libc's struct timespec has another layout.
 */
struct raw_time {
    raw_long seconds, nanoseconds;
};

static inline struct raw_time raw_time(int64_t ns)
{
    const int64_t second = 1000000000;
    return (struct raw_time){(raw_long)(ns / second), (raw_long)(ns % second)};
}

/** ppoll(2), which every architecture that we build for has. The kernel writes back what is
 * left of the time. */
static inline long raw_poll(struct pollfd *fds, unsigned long count, struct raw_time *time)
{
    return raw_call(SYS_ppoll, fds, count, time, NULL, 0L);
}

/**
 * A fd that was just opened, or a copy above 2 in its place: while one of 0 to 2 is closed,
 * what other threads print must not go into a file or socket of ours. -1 with errno where fd
 * is.
 */
static inline int raw_above_stderr(long fd)
{
    if (fd < 0 || fd > STDERR_FILENO)
        return (int)fd;
    long higher = raw_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    raw_call(SYS_close, fd);
    return (int)higher;
}

#endif
