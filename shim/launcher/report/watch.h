/*
 * watch: a report on a terminal, drawn anew once a second.
 */
#ifndef REPORT_WATCH_H
#define REPORT_WATCH_H

#include "launcher/report/show.h"

/** Reads what is to be shown; false ends it. */
typedef bool watch_read(void *context, struct data *data);

/** Until q, or a signal, comes. Returns the exit status. */
int watch(watch_read *read, void *context, const char *name);

#endif
