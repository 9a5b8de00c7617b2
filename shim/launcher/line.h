/*
 * line: one line for a person to read.
 */
#ifndef LINE_H
#define LINE_H

#include <stdio.h>

/** Prints a line and a newline. Control characters become '?': a file's name may have some. */
void line_print(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** "notimewait: " and the line, on stderr. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
