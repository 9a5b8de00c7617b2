/*
 * ask: what has to be known of a connection that ends.
 *
 * Owns: which of it is asked of the kernel, for the policy or for the record, and which is
 * assumed.
 */
#ifndef ASK_H
#define ASK_H

#include "connection/ending.h"
#include "policy/policy.h"

/** Asks what the policy or the record needs to know, and notes it in the record. */
void ending_ask(struct ending *e, struct facts *facts);

#endif
