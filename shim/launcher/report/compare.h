/*
 * compare: how the arms differ from the first one.
 *
 * Owns: what is compared, the chance of a mistake that each comparison gets, and the verdict in
 * words. The statistics: confidence.h.
 *
 * All intervals of a report hold together, at all times that one looks, with a probability of
 * 95 %. Four fifths of the other 5 % are for failed connects, which is what the library is for;
 * where those are not known, as in a log, it is shared among the others.
 */
#ifndef REPORT_COMPARE_H
#define REPORT_COMPARE_H

#include "launcher/report/data.h"

enum measure {
    MEASURE_FAILED,
    MEASURE_BROKEN,
    MEASURE_CONNECT_P50,
    MEASURE_CONNECT_P99,
    MEASURE_CLOSE_P50,
    MEASURE_CLOSE_P99,
    MEASURES
};

struct difference {
    const char *policy, *against, *measure; /* measure: as in JSON */
    bool time;                              /* in us; otherwise a share, 0 to 1 */
    double estimate, low, high;             /* NAN or infinite where not known */
    char verdict[160];
};

/** Where slots were counted, they are compared, and not the connections. */
bool compares_slots(const struct data *data);

/**
 * Every measure of every arm against the first arm's: to be freed. `all` has the slots, and
 * `arms` are data_arms() of it.
 */
struct difference *compare(const struct data *all, const struct data *arms, size_t *count);

/** The value that so many of 100 do not exceed, in ns; -1 where there are none. */
double times_percentile(const uint64_t times[HISTOGRAM_BUCKETS], double percent);

/** The upper edge of the highest bucket; -1. */
double times_max(const uint64_t times[HISTOGRAM_BUCKETS]);

uint64_t times_count(const uint64_t times[HISTOGRAM_BUCKETS]);

/** The differences under slots (compare_slots.c); `alpha` of one measure. */
struct slots_result {
    double estimate, low, high;
    size_t slots, more; /* that were compared; that are needed to tell anything */
};

struct slots_result compare_slots(const struct data *data, const char *first,
                                  const char *second, enum measure measure, double alpha);

#endif
