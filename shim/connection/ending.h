/*
 * ending: a call that may end a connection, from just before it to just after.
 *
 * Owns: the order of things at a close: is it ours and really its end, what does the kernel
 * say, what does the policy decide, pull the lever, and afterwards report. errno is left as it
 * was.
 */
#ifndef ENDING_H
#define ENDING_H

#include "connection/conn.h"
#include "kernel/process.h"
#include "report/record.h"

struct ending {
    struct conn *c;
    uint32_t generation; /* c's */
    struct record record;
    int64_t begun; /* ns, CLOCK_MONOTONIC */
    bool held;     /* `hold` is in force until ending_finish() */
    bool gone;     /* while the policy waited, something else has closed the fd */
    struct process_hold hold;
};

/** Closing fd may have to do with a connection of ours; without a system call. */
bool ending_matters(int fd);

/** How a call closes. */
struct ending_way {
    enum via via;
    bool stdio_output; /* the stream over fd still holds output: no RST */
    bool may_wait;     /* the call may wait: no RST, for which nobody may copy the socket */
    bool waited;       /* ending_wait() was called: waits no more */
};

/** Only what the policy waits for before it decides; then ending_begin() may follow. */
void ending_wait(int fd);

/**
 * The call that follows is certain to close fd. Returns false when that ends no connection of
 * ours; otherwise ending_finish() must follow it at once. Where false and ending->gone, a
 * close() must not be made any more: a signal handler, or another thread, has closed the fd,
 * which may be another file by now.
 */
bool ending_begin(struct ending *ending, int fd, struct ending_way way);

/** After the call; if it failed, `closed` is false: the lever is taken back. */
void ending_finish(struct ending *ending, bool closed);

/**
 * In place of ending_finish() where the thread left the call (cleanup.h): whether it has closed
 * the fd, the fd tells; where it cannot be asked, it has. `ending`: a struct ending.
 */
void ending_left(void *ending);

/** connect() on a connection of ours, which AF_UNSPEC would end; false where fd is none. */
bool ending_disconnect(struct ending *ending, int fd);

/** After the call: whether it ended it. */
void ending_disconnected(struct ending *ending, bool done);

#endif
