/*
 * word: what the switch of the board says (board.h), as this process understands it.
 *
 * Owns: reading and parsing it, once for each word; the last one that could be parsed stays in
 * force. No system call, no malloc, no lock that waits: of two threads that learn a new word at
 * the same moment, one keeps it for later.
 */
#ifndef WORD_H
#define WORD_H

#include "policy/rules.h"

#include <stdbool.h>
#include <stdint.h>

enum word {
    WORD_NOTHING, /* the configuration is in force */
    WORD_OFF,     /* off, whatever the rules say */
    WORD_SPLIT,   /* in place of NOTIMEWAIT_POLICY */
};

struct board_switch;

extern const struct board_switch *word_board __attribute__((visibility("hidden")));

/** What it says now, and between which policies; where there is no board, or its switch was
 * never used, one load. */
enum word word_now(struct split *split);

/** No lever is pulled any more. */
bool word_is_off(void);

/** In the child of a fork: another thread may have been learning. */
void word_in_child(void);

#endif
