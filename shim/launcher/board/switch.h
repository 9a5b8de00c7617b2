/*
 * switch: the open switch of a board, whoever's, and what it says.
 *
 * Owns: what is checked before it is read or written. What processes make of it: report/word.h.
 */
#ifndef SWITCH_H
#define SWITCH_H

#include "report/board.h"

/** Opens the switch of the board in this directory (O_RDONLY, O_RDWR). NULL, or why not, with
 * errno or 0; *fd is to be closed where it is not -1. */
const char *switch_open(const char *directory, int mode, int *fd);

/** Copies the word in force: "" where it is reset, or none ever was. As switch_open(). */
const char *switch_read(const char *directory, char text[BOARD_WORD_SIZE + 1]);

#endif
