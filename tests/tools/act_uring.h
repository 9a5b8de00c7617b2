/* act's close by io_uring (io_uring(7)): a ring for one entry, made and unmade each time. */
#ifndef ACT_URING_H
#define ACT_URING_H

#include "act.h"
#include "act_close.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct uring {
    int fd;
    char *rings; /* both: IORING_FEAT_SINGLE_MMAP, Linux 5.4 */
    struct io_uring_sqe *entry;
    struct io_uring_params params;
};

static void *uring_map(const struct uring *u, size_t size, off_t at)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd, at);
    if (map == MAP_FAILED)
        die("io_uring: mmap: %s", strerror(errno));
    return map;
}

static size_t uring_size(const struct uring *u)
{
    size_t sq = u->params.sq_off.array + u->params.sq_entries * sizeof(uint32_t);
    size_t cq = u->params.cq_off.cqes + u->params.cq_entries * sizeof(struct io_uring_cqe);
    return sq > cq ? sq : cq;
}

/* False: the kernel has none, or forbids it (errno). */
static bool uring_open(struct uring *u)
{
    memset(u, 0, sizeof *u);
    u->fd = (int)raw_syscall(SYS_io_uring_setup, 1, &u->params);
    if (u->fd < 0)
        return false;
    u->rings = uring_map(u, uring_size(u), IORING_OFF_SQ_RING);
    u->entry = uring_map(u, sizeof *u->entry, IORING_OFF_SQES);
    return true;
}

/* Submits the entry; its result, or -1 and errno. */
static int uring_do(struct uring *u)
{
    struct io_uring_cqe *done = (void *)(u->rings + u->params.cq_off.cqes);
    uint32_t *tail = (void *)(u->rings + u->params.sq_off.tail);
    uint32_t *order = (void *)(u->rings + u->params.sq_off.array);

    order[0] = 0;
    __atomic_store_n(tail, 1, __ATOMIC_RELEASE);
    if (raw_syscall(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
        return -1;
    if (done->res < 0)
        errno = -done->res;
    return done->res < 0 ? -1 : done->res;
}

static void uring_close(struct uring *u)
{
    int saved = errno;
    munmap(u->entry, sizeof *u->entry);
    munmap(u->rings, uring_size(u));
    raw_syscall(SYS_close, u->fd);
    errno = saved;
}

static void step_close_uring(struct act *a, const struct step *s)
{
    struct uring u;
    int result = -1;

    if (uring_open(&u)) {
        u.entry->opcode = IORING_OP_CLOSE;
        u.entry->fd = *slot(a, s);
        result = uring_do(&u);
        uring_close(&u);
    }
    report(a, s, result);
    forget(a, slot(a, s));
}

#endif
