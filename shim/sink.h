/*
 * sink: where records and messages go, without the program noticing.
 *
 * Owns: NOTIMEWAIT_LOG's file and our use of stderr. A record is written by one write(), or
 * dropped and counted: nothing waits, no signal reaches the program, no fd stays open.
 */
#ifndef SINK_H
#define SINK_H

#include <stddef.h>
#include <stdint.h>

/** Remembers what stderr is, so that a later fd 2 is not taken for it. */
void sink_init(void);

/** `log`: "stderr" or a file. One line on stderr when it cannot be opened. */
void sink_open(const char *log);

/** Writes one record. A NULL line counts as dropped. `told`: how many drops the line tells of.
 */
void sink_write(const char *line, size_t len, uint64_t told);

/** Records dropped since the last one that told of them. */
uint64_t sink_dropped(void);

/** One line for the operator; a newline is added. */
void sink_message(const char *line);

#endif
