/*
 * progress: what is going on, on stderr, for somebody who watches: only on a terminal.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

/** A line that stays: the command's output may follow it. */
void progress_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** A line that the next one takes the place of. */
void progress_update(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Takes the last progress_update() away: something else is about to be printed. */
void progress_end(void);

#endif
