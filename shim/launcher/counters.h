/*
 * kernel: numbers that the kernel shows in /proc, of this network namespace.
 */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdbool.h>

/** The numbers of a /proc file, at most `count` of them; false when it has fewer. */
bool counters_file(const char *path, long *numbers, int count);

/** How many RSTs all processes of this namespace have sent so far (OutRsts); -1: not known. */
double counters_rst_sent(void);

#endif
