/*
 * ask: what has to be known of a connection that ends.
 *
 * Owns: which of it is asked of the kernel, for the policy or for the record, and which is
 * assumed.
 */
#ifndef ASK_H
#define ASK_H

#include "connection/conn.h"
#include "policy/policy.h"
#include "report/record.h"

/** Asks what the policy or the record needs to know, and notes it in the record. */
void ask(struct conn *c, struct record *record, struct facts *facts);

/** The record's part that says which connection it is of: no call is needed. */
void ask_what_it_is(const struct conn *c, struct record *record);

#endif
