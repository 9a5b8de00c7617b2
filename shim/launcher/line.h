/*
 * line: one line for a person to read.
 */
#ifndef LINE_H
#define LINE_H

#include <stdio.h>

/** Prints it with a newline; control characters in it, whoever put them there, as '?'. */
void line_print(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** "notimewait: " and the line, on stderr. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
