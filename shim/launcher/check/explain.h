/*
 * explain: a verdict in words: what it is, why, and what to do.
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "launcher/check/verdict.h"
#include "launcher/library.h"

#define LABEL "%-19s " /* what begins a line */

/** The verdict in the first line, then what is not seen and what to do, then how the command
 * was looked at. */
void explain_verdict(const struct verdict *verdict);

/** What passes the library by, and what to do about each. */
void explain_bypasses(const struct bypass_found found[BYPASSES]);

/** Whether it is possible here, and what the kernel has for it. */
void explain_supervision(const struct verdict *verdict);

/** One JSON object. */
void explain_as_json(const struct verdict *verdict, const struct library *library,
                     bool configured);

/** "findings":[...], without what stands before or behind it. */
void explain_bypasses_as_json(const struct bypass_found found[BYPASSES]);

#endif
