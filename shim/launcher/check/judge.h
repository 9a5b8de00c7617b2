/*
 * judge: whether a connection passes the library by that is loaded.
 *
 * Owns: what the library would have set on it, by the process's own variables and the switch of
 * its board. Where that is nothing that shows, there is no judgement: doubt accuses nobody.
 */
#ifndef JUDGE_H
#define JUDGE_H

#include "launcher/sockets.h"

#include <stdbool.h>
#include <sys/types.h>

#define LIBRARY_FILE "libnotimewait.so"

enum judgement {
    JUDGED_ACTED_ON,
    JUDGED_PASSED_BY,
    JUDGED_NOT, /* not known */
};

/** judge() is about this process from now on. `environment`: strings, a NUL behind each, and
 * one more. `text`: what the switch of its board says; "": nothing, NULL: not known. */
void judge_begin(pid_t process, bool supervised, const char *environment, const char *text);

/** Of a connection that did not come out of a listener of the process's. */
enum judgement judge(const struct process_socket *socket);

#endif
