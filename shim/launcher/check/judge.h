/*
 * judge: whether a connection passes the library by that is loaded.
 *
 * Owns: what the library would have set on it, by the process's own variables and the switch of
 * its board. Where that is nothing that shows, there is no judgement: doubt accuses nobody.
 */
#ifndef JUDGE_H
#define JUDGE_H

#include "launcher/check/seen.h"

enum judgement {
    JUDGED_ACTED_ON,
    JUDGED_PASSED_BY,
    JUDGED_NOT, /* not known */
};

/** Reads the process's variables; judge() is about this process from now on. */
void judge_begin(const struct seen *seen);

/** Of a connection that did not come out of a listener of the process's. */
enum judgement judge(const struct process_socket *socket);

#endif
