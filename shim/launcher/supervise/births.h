/*
 * births: which connections began under supervision: on the board, and by process
 * (processes.h); and the word of the board's switch.
 *
 * Owns: the supervisor's part of the board (NOTIMEWAIT_BOARD). What connect() returned, and
 * closes, are not seen from outside: the connections here are those that began.
 */
#ifndef BIRTHS_H
#define BIRTHS_H

#include "policy/rules.h"

#include <sys/types.h>

/** Opens the board and the statistics of settings.config. Complains and returns false where the
 * board cannot be opened. */
bool births_begin(void);

/** A client's connection begins under this arm of the split; `recycled`: from a port that was
 * taken over. */
void births_count(pid_t thread, const struct policy *arm, const union address *peer,
                  bool recycled);

/** The split that a connection is drawn from: the rules', unless the board's word is another.
 */
const struct split *births_split(const struct rules *rules, const struct newborn *born);

#endif
