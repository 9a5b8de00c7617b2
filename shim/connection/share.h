/*
 * share: one socket behind several fds of this process.
 *
 * Owns: keeping the table right when an fd is copied. Once copied, a connection counts as
 * shared for good: other holders may have come and gone unseen.
 */
#ifndef SHARE_H
#define SHARE_H

#include "connection/table.h"
#include "kernel/process.h"

#include <stdbool.h>

/**
 * fd is about to be copied, or passed to another process. From here on no abortive close of its
 * connection begins, and one that has begun is over when this returns.
 */
void share_copying(int fd);

/** Nothing is known of what is behind fd, and no close holds: share_copying() has nothing to
 * do.
 */
static inline bool share_is_plain(int fd)
{
    return !table_peek(fd) && atomic_load(&process_holders) == 0;
}

/** `to` is now a copy of `from`; whatever was behind `to` is gone. */
void share_copied(int from, int to);

/** Nothing is known any more of what is behind fd. */
void share_forget(int fd);

/** Both fds lead to the same connection. */
bool share_same_socket(int a, int b);

#endif
