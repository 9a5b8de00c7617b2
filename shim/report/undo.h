/*
 * undo: takes back the part of a record that a file had room for.
 *
 * Owns: making that part a blank line. A file cannot be cut there: another process may have
 * appended behind it by now.
 */
#ifndef UNDO_H
#define UNDO_H

#include <stdbool.h>
#include <stddef.h>

/** fd, ours alone, has just appended `part` bytes of `line`. False when they had to stay. */
bool undo_append(int fd, const char *line, size_t part);

/** The same of an fd that others write to, too, with the same position. Needs /proc. */
bool undo_shared(int fd, const char *line, size_t part);

#endif
