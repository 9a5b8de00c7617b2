/*
 * records: what the library wrote about one run, in NOTIMEWAIT_LOG and NOTIMEWAIT_STATS.
 *
 * Owns: reading those files. The log has every connection that was closed, also of processes
 * that were killed; the statistics have the failed connects, of processes that came to their
 * end; the board has those of all processes that could map it, which those of another user
 * cannot.
 */
#ifndef RECORDS_H
#define RECORDS_H

#include "launcher/ab/tuples.h"

#include <stdbool.h>
#include <stddef.h>

#define CONNECT_ERRORS_MAX 16 /* names that are told apart */

/** Failed connects with one errno. */
struct connect_error {
    char name[24];
    double count;
};

/** Microseconds that calls took. */
struct durations {
    double *all;
    size_t count, room;
};

/** The process ids of records, in their order; one for neighbours of the same process. */
struct pids {
    int *all;
    size_t count, room;
};

/** Zeroed: nothing was written. */
struct records {
    struct pids logged;    /* processes that closed a connection */
    struct pids ended;     /* processes that came to their end */
    struct tuples tuples;  /* of the log's records */
    double connections;    /* established and closed */
    double lost;           /* of these, records that could not be written */
    double nameless;       /* of these, records without addresses */
    double cut;            /* connections that ended in a reset in place of a FIN */
    double connect_errors; /* all */
    struct connect_error errors[CONNECT_ERRORS_MAX];
    struct durations close_us, connect_us;
    struct { /* what the board says */
        double connections, connect_errors;
        struct connect_error errors[CONNECT_ERRORS_MAX];
    } board;
};

/** Adds to the count of the errno name[len]. Where all places have other names it does nothing.
 */
void connect_error_add(struct connect_error errors[CONNECT_ERRORS_MAX], const char *name,
                       size_t len, double count);

/** Adds the file's records. A file that is not there has none. */
void records_read_log(struct records *records, const char *path);
void records_read_stats(struct records *records, const char *path);

/** Adds what the run's board says of a policy. */
struct row;
void records_add_board(struct records *records, const struct row *row);

/**
 * Every process reached the board: it has no fewer connections than the log, nor failed ones
 * than the statistics.
 */
bool records_board_is_complete(const struct records *records);

/** Takes connections and failed connects from the board: it has those of killed processes. */
void records_take_board(struct records *records);

/** Some process has written something. */
bool records_any(const struct records *records);

/** How many processes closed a connection, but did not come to their end: they were killed. */
size_t records_killed(struct records *records);

/** NAN without any. */
double durations_median(struct durations *durations);
double durations_p99(struct durations *durations);

void records_free(struct records *records);

#endif
