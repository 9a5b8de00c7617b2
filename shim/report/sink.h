/*
 * sink: where records and messages go, without the program noticing.
 *
 * Owns: the files of NOTIMEWAIT_LOG and _STATS, and our use of stderr. A record is written
 * whole or not at all, or is counted as dropped: nothing waits, no signal reaches the program,
 * no fd stays open. How a write is taken back that the disk had no room for: undo.h.
 */
#ifndef SINK_H
#define SINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A path is short, because a hook may run on a signal stack. */
#define SINK_PATH_SIZE 1024

/** What is written to: each has its own way of taking a record in part. */
enum sink_kind { SINK_FILE, SINK_PIPE, SINK_SOCKET, SINK_DEVICE, SINK_TERMINAL };

/** A destination: the value of `variable`, "stderr" or a file. */
struct sink {
    const char *variable;
    bool to_file;
    enum sink_kind kind; /* as it was at start; a file that is not there yet will be one */
    char path[SINK_PATH_SIZE]; /* absolute, %p still in it */
    size_t own;                /* where the value's own text begins in it */
    _Atomic bool unfinished;   /* a terminal took a part of the last record */
    _Atomic uint64_t dropped;
};

extern struct sink sink_log, sink_stats;

/** Remembers what stderr is, so that a later fd 2 is not taken for it. */
void sink_init(void);

/** Files of this process may not grow without limit from now on: RLIMIT_FSIZE. */
void sink_size_limited(void);

/**
 * `value`: of the variable. One line on stderr when it cannot be opened, or is a socket.
 * Returns whether there is any sense in writing records: a directory may be made later, a name
 * that is too long stays so.
 */
bool sink_open(struct sink *sink, const char *value);

/**
 * A file may be of another kind than at start: a FIFO that was made since. For what is long
 * enough to be taken in part.
 */
void sink_look_again(struct sink *sink);

/** The longest record, in bytes, that it takes as a whole (pipe(7), PIPE_BUF). */
size_t sink_most(const struct sink *sink);

/** Writes one record; false when that would have waited or failed. */
bool sink_write(struct sink *sink, const char *line, size_t len);

/** How many records were dropped since the last time of asking: for the next one to tell. */
uint64_t sink_dropped(struct sink *sink);

/** Counts records as dropped. */
void sink_drop(struct sink *sink, uint64_t records);

/** One line for the operator; a newline is added. */
void sink_message(const char *line);

#endif
