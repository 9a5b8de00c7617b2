/*
 * sink: where records and messages go, without the program noticing.
 *
 * Owns: NOTIMEWAIT_LOG's file and our use of stderr. A record is written by one write(), or
 * dropped and counted: nothing waits, no signal reaches the program, no fd stays open.
 */
#ifndef SINK_H
#define SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Remembers what stderr is, so that a later fd 2 is not taken for it. */
void sink_init(void);

/**
 * `log`: "stderr" or a file. One line on stderr when it cannot be opened. Returns whether there
 * is any sense in writing records: a directory may be made later, a name that is too long stays
 * so.
 */
bool sink_open(const char *log);

/** Writes one record; false when that would have waited or failed. */
bool sink_write(const char *line, size_t len);

/** How many records were dropped since the last time of asking: for the next one to tell. */
uint64_t sink_dropped(void);

/** Counts records as dropped. */
void sink_drop(uint64_t records);

/** One line for the operator; a newline is added. */
void sink_message(const char *line);

#endif
