/*
 * seen: what is found out about a process that runs.
 *
 * Owns: where that stands below /proc, and what is counted of its sockets.
 */
#ifndef SEEN_H
#define SEEN_H

#include "launcher/check/verdict.h"
#include "launcher/sockets.h"
#include "report/board.h"

#include <sys/types.h>
#include <time.h>

struct seen {
    pid_t process;
    char name[32];
    bool loaded, supervised;
    char *environment; /* strings, a NUL behind each, and one more */
    time_t began;      /* s of the epoch; 0: not known */
    struct process_socket *sockets;
    size_t count, room;
    int error; /* why its sockets are not known, or 0 */
    unsigned listeners, armed_listeners, clients;
    unsigned passed_by, not_judged; /* of the clients (judge.h) */
    struct bypass_found
        found[BYPASSES];            /* of what it has mapped, where the library is loaded */
    const char *board;              /* the board that it names, or NULL */
    const char *why_no_word;        /* why its switch cannot be read, or NULL */
    int word_error;                 /* and the errno, or 0 */
    char word[BOARD_WORD_SIZE + 1]; /* what the switch says; "": nothing */
};

/** Looks at the process; to be freed by seen_end(). */
void seen_begin(pid_t process, struct seen *seen);
void seen_end(struct seen *seen);

/** A variable of its environment, or NULL; an empty one counts as unset. */
const char *seen_variable(const struct seen *seen, const char *name);

enum reached seen_reached(const struct seen *seen);

#endif
