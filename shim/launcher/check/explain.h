/*
 * explain: a verdict in words: what it is, why, and what to do.
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "launcher/check/say.h"
#include "launcher/check/verdict.h"

/** The first line, which says the verdict: of `subject`, which is "" or ends in ": ". */
void explain_first(struct say *to, enum reached reached, bool known, const char *subject,
                   const char *why);

/** The verdict in the first line, then what is not seen and what to do, then how the command
 * was looked at. */
void explain_verdict(struct say *to, const struct verdict *verdict);

/** What passes the library by, and what to do about each, where supervision is possible here or
 * not. */
void explain_bypasses(struct say *to, const struct bypass_found found[BYPASSES],
                      bool supervision);

/** Whether it is possible here, and what the kernel has for it. */
void explain_supervision(struct say *to, const struct verdict *verdict);

#endif
