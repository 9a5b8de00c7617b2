/*
 * connect() by io_uring (io_uring(7)), of which a filter of system calls sees nothing.
 */
#ifndef FACTS_URING_H
#define FACTS_URING_H

#include "facts.h"

#include <linux/io_uring.h>
#include <sys/mman.h>

static void *ring_map(int ring, size_t size, off_t at)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, at);
    HOLDS(map != MAP_FAILED);
    return map;
}

/** connect() by a ring of one entry: 0 or an errno; -1: this user may not, or there is none. */
static int connect_by_ring(int fd, const struct sockaddr_in *to)
{
    struct io_uring_params params = {0};
    int ring = (int)syscall(SYS_io_uring_setup, 1, &params);
    if (ring < 0) {
        HOLDS(errno == ENOSYS || errno == EPERM);
        return -1;
    }
    HOLDS(params.features & IORING_FEAT_SINGLE_MMAP);
    size_t sq = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
    size_t cq = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    char *rings = ring_map(ring, sq > cq ? sq : cq, IORING_OFF_SQ_RING);
    struct io_uring_sqe *entry = ring_map(ring, sizeof(*entry), IORING_OFF_SQES);

    *entry = (struct io_uring_sqe){
        .opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)to, .off = sizeof(*to)};
    __atomic_store_n((uint32_t *)(void *)(rings + params.sq_off.tail), 1, __ATOMIC_RELEASE);
    HOLDS(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1);
    struct io_uring_cqe *done = (void *)(rings + params.cq_off.cqes);
    close(ring);
    return -done->res;
}

#endif
