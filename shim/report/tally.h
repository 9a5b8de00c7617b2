/*
 * tally: counts connections on the board (board.h), as they happen.
 *
 * Owns: the mapped board, and which cells are this process's. No system call, no lock. What
 * counts as what: count.h.
 *
 * `slot` is the connection's: SLOT_NONE, SLOT_WASHOUT, or the start of the slot that it was
 * born in (policy/slots.h).
 */
#ifndef TALLY_H
#define TALLY_H

#include "policy/slots.h"
#include "report/board.h"
#include "report/record.h"

/** Where it is counted, and whose word is obeyed (word.h). */
void tally_use(const struct board_view *board);

/** From now on those of that program are counted, which stays where it is: by the supervisor,
 * which has one thread. */
void tally_for(const char *program);

/**
 * A connection is being born in this slot, whose arm is `policy`. Returns what its slot is:
 * SLOT_NONE where another arm has the place, as two splits can have.
 */
uint32_t tally_slot(const struct slot *slot, const struct policy *policy, uint32_t length,
                    uint32_t block);

void tally_connection(const struct policy *policy, uint32_t slot);
void tally_connect_time(const struct policy *policy, uint32_t slot, uint64_t ns);
void tally_connect_error(const struct policy *policy, uint32_t slot, int error);
void tally_recycled(const struct policy *policy, uint32_t slot);
void tally_io_error(const struct policy *policy, uint32_t slot, int error, bool first);
void tally_close(const struct record *record);

/** A client under this policy connects to `peer`. */
void tally_peer(const struct policy *policy, uint32_t slot, const union address *peer);

#endif
