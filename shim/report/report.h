/*
 * report: where the record of a close goes: into the log, the statistics, or both.
 */
#ifndef REPORT_H
#define REPORT_H

#include "report/record.h"

/** Logs and counts the close, as far as that is asked for. */
void report_close(const struct record *record);

#endif
