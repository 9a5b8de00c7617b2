/*
 * report: where the record of a close goes: into the log, the statistics, or both; and how the
 * board is opened.
 */
#ifndef REPORT_H
#define REPORT_H

#include "report/record.h"

/** Reaches for the board, making it where it is not there; one line where that cannot be. */
bool report_open_board(const char *path);

/** Logs and counts the close, as far as that is asked for. */
void report_close(const struct record *record);

#endif
