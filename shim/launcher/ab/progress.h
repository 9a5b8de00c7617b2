/*
 * progress: tells a person at a terminal, on stderr, which run is being made.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

/** Prints a line that stays, since the command's output may follow. */
void progress_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Prints a line that the next one replaces. */
void progress_update(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Removes the line of progress_update(), before something else is printed. */
void progress_end(void);

#endif
