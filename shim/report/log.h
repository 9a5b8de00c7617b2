/*
 * log: a JSON line for each close (NOTIMEWAIT_LOG).
 *
 * Owns: the line's fields and their order. Where it goes: sink.h.
 */
#ifndef LOG_H
#define LOG_H

#include "report/record.h"

/** Writes the line, or drops it and tells so in the next one. */
void log_close(const struct record *record);

#endif
