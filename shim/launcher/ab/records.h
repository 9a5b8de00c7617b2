/*
 * records: what the library wrote about one run, in NOTIMEWAIT_LOG and NOTIMEWAIT_STATS.
 *
 * Owns: reading those files. Every process of the run is in them, and its figures are summed.
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

/** Some processes' median, and of how many it is that. */
struct part {
    double median, weight;
};

struct parts {
    struct part *all;
    size_t count, room;
};

/** Zeroed, it is what no process has written anything to. */
struct records {
    size_t processes;      /* that reached their end */
    struct tuples tuples;  /* of the log's records */
    double lost;           /* records that could not be written */
    double nameless;       /* records without addresses */
    double cut;            /* connections that ended in a reset in place of a FIN */
    double connections;    /* established */
    double connect_errors; /* all */
    struct connect_error errors[CONNECT_ERRORS_MAX];
    struct parts close_us, connect_us;
};

/** Counts errors by name[len]; a name beyond the last place is left out. */
void connect_error_add(struct connect_error errors[CONNECT_ERRORS_MAX], const char *name,
                       size_t len, double count);

/** Adds what the file says; one that is not there says nothing. */
void records_read_log(struct records *records, const char *path);
void records_read_stats(struct records *records, const char *path);

/** The median of all that the parts are medians of; exact for one part. NAN without any. */
double parts_median(struct parts *parts);

void records_free(struct records *records);

#endif
