/*
 * read: boards and logs, read into data.
 *
 * Nothing in them is trusted: another user may own them. A board is read, not mapped, so that
 * it cannot be cut off meanwhile. A log is read line by line, of whatever length it is in all.
 */
#ifndef REPORT_READ_H
#define REPORT_READ_H

#include "launcher/report/data.h"

/** Reads a directory with a board. False after a complaint. */
bool read_board(struct data *data, const char *directory);

/** The same from the open file of counters. */
bool read_counters(struct data *data, int fd, const char *name);

/** Adds the records of a log; "-": of the standard input. False after a complaint. */
bool read_log(struct data *data, const char *path);

/** How many TIME_WAIT entries the kernel has to each row's peers. */
void read_time_wait(struct data *data);

#endif
