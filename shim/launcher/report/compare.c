#include "launcher/report/compare.h"

#include "launcher/memory.h"
#include "launcher/report/confidence.h"
#include "policy/histogram.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ALPHA 0.05

static const struct measure_info {
    const char *json, *label;
    double share;    /* of ALPHA */
    double quantile; /* 0: a share of connections */
} measures[MEASURES] = {
    [MEASURE_FAILED] = {"connect_errors", "failed connects", 0.8, 0},
    [MEASURE_BROKEN] = {"io_errors", "connections with failed reads or writes", 0.04, 0},
    [MEASURE_CONNECT_P50] = {"connect_us_p50", "p50 of connect", 0.04, 0.5},
    [MEASURE_CONNECT_P99] = {"connect_us_p99", "p99 of connect", 0.04, 0.99},
    [MEASURE_CLOSE_P50] = {"close_us_p50", "p50 of close", 0.04, 0.5},
    [MEASURE_CLOSE_P99] = {"close_us_p99", "p99 of close", 0.04, 0.99},
};

/* --- times --- */

uint64_t times_count(const uint64_t times[HISTOGRAM_BUCKETS])
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        count += times[i];
    return count;
}

/** The first bucket up to which there are more than `rank` values. */
static unsigned bucket_beyond(const uint64_t times[HISTOGRAM_BUCKETS], double rank)
{
    double seen = 0;
    unsigned bucket = 0;
    for (; bucket < HISTOGRAM_BUCKETS - 1; bucket++)
        if ((seen += (double)times[bucket]) > rank)
            break;
    return bucket;
}

double times_percentile(const uint64_t times[HISTOGRAM_BUCKETS], double percent)
{
    uint64_t count = times_count(times);
    if (count == 0)
        return -1;
    unsigned bucket = bucket_beyond(times, ceil((double)count * percent / 100) - 0.5);
    return (double)(histogram_least(bucket) + histogram_least(bucket + 1)) / 2;
}

double times_max(const uint64_t times[HISTOGRAM_BUCKETS])
{
    for (unsigned bucket = HISTOGRAM_BUCKETS; bucket-- > 0;)
        if (times[bucket] > 0)
            return (double)histogram_least(bucket + 1);
    return -1;
}

/** Of the quantile, in us; as if there were `factor` times as many values. */
static struct interval times_interval(const uint64_t times[HISTOGRAM_BUCKETS], double quantile,
                                      double alpha, double factor)
{
    double count = (double)times_count(times);
    struct interval ranks = quantile_ranks(count * factor, quantile, alpha);
    struct interval us = {0, INFINITY};
    if (ranks.low >= 0)
        us.low = (double)histogram_least(bucket_beyond(times, ranks.low / factor)) / 1000;
    if (!isinf(ranks.high))
        us.high =
            (double)histogram_least(bucket_beyond(times, ranks.high / factor - 0.5) + 1) / 1000;
    return us;
}

/* --- by connections --- */

static struct share share_of(const struct row *row, enum measure measure, double factor)
{
    double failed = (double)row_failed(row);
    double connections = row_has_outcomes(row) ? (double)row->connections : 0;
    if (measure == MEASURE_FAILED)
        return (struct share){failed * factor, (failed + connections) * factor};
    return (struct share){fmin((double)row->broken, connections) * factor,
                          connections * factor};
}

static const uint64_t *times_of(const struct row *row, enum measure measure)
{
    bool connect = measure == MEASURE_CONNECT_P50 || measure == MEASURE_CONNECT_P99;
    return connect ? row->connect_ns : row->close_ns;
}

/** How many observations of the measure an arm has. */
static double observed(const struct row *row, enum measure measure)
{
    if (measures[measure].quantile > 0)
        return (double)times_count(times_of(row, measure));
    return share_of(row, measure, 1).all;
}

/** The interval if there were `factor` times as many connections, with the same shares. */
static struct interval interval_of(const struct row *first, const struct row *second,
                                   enum measure measure, double alpha, double factor)
{
    double quantile = measures[measure].quantile;
    if (quantile == 0)
        return share_difference(share_of(first, measure, factor),
                                share_of(second, measure, factor), alpha);
    struct interval a = times_interval(times_of(first, measure), quantile, alpha / 2, factor);
    struct interval b = times_interval(times_of(second, measure), quantile, alpha / 2, factor);
    return (struct interval){b.low - a.high, b.high - a.low};
}

/** What a difference is related to, so that it can be told in per cent. */
static double unit_of(const struct row *first, enum measure measure)
{
    double quantile = measures[measure].quantile;
    if (quantile == 0)
        return 1;
    return fmax(times_percentile(times_of(first, measure), 100 * quantile) / 1000, 0.001);
}

static double estimate_of(const struct row *first, const struct row *second,
                          enum measure measure)
{
    double quantile = measures[measure].quantile;
    struct share a = share_of(first, measure, 1);
    struct share b = share_of(second, measure, 1);
    if (quantile == 0)
        return b.some / b.all - a.some / a.all;
    return (times_percentile(times_of(second, measure), 100 * quantile) -
            times_percentile(times_of(first, measure), 100 * quantile)) /
           1000;
}

/* --- words --- */

/** To `digits` significant digits. */
static double rounded(double number, int digits)
{
    if (number == 0)
        return 0;
    double unit = pow(10, floor(log10(fabs(number))) - digits + 1);
    return round(number / unit) * unit;
}

#define STEPS 62 /* of a quarter: up to a million times as many */

/** More connections, until the interval is no wider than `width` to either side. */
static double more_connections(const struct row *first, const struct row *second,
                               enum measure measure, double alpha, double width)
{
    double all = observed(first, measure) + observed(second, measure);
    double factor = 1;
    for (int step = 0; step < STEPS; step++) {
        factor *= 1.25;
        struct interval then = interval_of(first, second, measure, alpha, factor);
        if (then.high - then.low <= 2 * width)
            return rounded(all * (factor - 1), 2);
    }
    return INFINITY;
}

static void say_no_difference(struct difference *d, const struct row *first,
                              const struct row *second, enum measure measure, double alpha)
{
    double unit = unit_of(first, measure);
    double width = (d->high - d->low) / 2 / unit;
    double aim = isinf(width) || width > 2 ? 1 : rounded(width / 2, 1);
    double more = more_connections(first, second, measure, alpha, aim * unit);
    if (isinf(more))
        snprintf(d->verdict, sizeof(d->verdict),
                 "no difference seen; smaller ones are not told apart");
    else
        snprintf(d->verdict, sizeof(d->verdict),
                 "no difference seen; %.0f more connections would show one of %.3g %%", more,
                 100 * aim);
}

/** "9.5 to 12 us", "9.5 us at least", "9.5 us" */
static void size_of(double least, double most, const char *unit, char buf[64])
{
    if (isinf(most))
        snprintf(buf, 64, "%.3g%s at least", least, unit);
    else if (most - least < least / 1000)
        snprintf(buf, 64, "%.3g%s", least, unit);
    else
        snprintf(buf, 64, "%.3g to %.3g%s", least, most, unit);
}

/** Both ends have the same sign: how much more, or less. */
static void say_difference(struct difference *d, const struct measure_info *info)
{
    char size[64];
    bool more = d->low > 0;
    double scale = d->time ? 1 : 100;
    size_of(scale * (more ? d->low : -d->high), scale * (more ? d->high : -d->low),
            d->time ? " us" : " % of all", size);
    if (d->time)
        snprintf(d->verdict, sizeof(d->verdict), "%s is %s than under %s, by %s", info->label,
                 more ? "higher" : "lower", d->against, size);
    else
        snprintf(d->verdict, sizeof(d->verdict), "%s %s than under %s, by %s",
                 more ? "more" : "fewer", info->label, d->against, size);
}

static void say(struct difference *d, const struct row *first, const struct row *second,
                enum measure measure, double alpha)
{
    const struct measure_info *info = &measures[measure];
    if (isnan(d->estimate))
        snprintf(d->verdict, sizeof(d->verdict), "nothing to compare yet");
    else if (d->low > 0 || d->high < 0)
        say_difference(d, info);
    else
        say_no_difference(d, first, second, measure, alpha);
}

static void by_connections(struct difference *d, const struct row *first,
                           const struct row *second, enum measure measure, double alpha)
{
    if (observed(first, measure) > 0 && observed(second, measure) > 0) {
        struct interval interval = interval_of(first, second, measure, alpha, 1);
        d->estimate = estimate_of(first, second, measure);
        d->low = interval.low;
        d->high = interval.high;
    }
    say(d, first, second, measure, alpha);
}

static void by_slots(struct difference *d, const struct data *all, enum measure measure,
                     double alpha)
{
    struct slots_result result = compare_slots(all, d->against, d->policy, measure, alpha);
    d->estimate = result.estimate;
    d->low = result.low;
    d->high = result.high;
    if (isnan(d->estimate))
        snprintf(d->verdict, sizeof(d->verdict), "nothing to compare yet");
    else if (d->low > 0 || d->high < 0)
        say_difference(d, &measures[measure]);
    else if (isinf(d->low) || isinf(d->high))
        snprintf(d->verdict, sizeof(d->verdict),
                 "no difference seen; %zu more slots would show one that all of them have",
                 result.more);
    else /* half as wide with four times as many */
        snprintf(d->verdict, sizeof(d->verdict),
                 "no difference seen; %zu more slots would show one of %.1g%s",
                 3 * result.slots, (d->high - d->low) / 4 * (d->time ? 1 : 100),
                 d->time ? " us" : " %");
}

bool compares_slots(const struct data *data)
{
    bool washout = data->by_slots;
    for (size_t i = 0; i < data->rows_count; i++)
        washout = washout || data->rows[i].washout;
    return washout;
}

static bool is_known(const struct data *arms, enum measure measure)
{
    bool log = false;
    for (size_t i = 0; i < arms->rows_count; i++)
        log = log || arms->rows[i].from_log;
    return !log || measures[measure].quantile > 0;
}

/** The chance of a mistake for one comparison. */
static double alpha_of(const struct data *arms, enum measure measure)
{
    double share = is_known(arms, MEASURE_FAILED) ? measures[measure].share : 0.25;
    return ALPHA * share / (double)(arms->rows_count - 1);
}

struct difference *compare(const struct data *all, const struct data *arms, size_t *count)
{
    struct difference *differences = NULL;
    size_t room = 0;
    bool slots = compares_slots(all);
    *count = 0;
    for (size_t arm = 1; arm < arms->rows_count; arm++)
        for (int m = 0; m < MEASURES; m++) {
            enum measure measure = (enum measure)m;
            if (!is_known(arms, measure))
                continue;
            differences = grow(differences, &room, *count + 1, sizeof(*differences));
            struct difference *d = &differences[(*count)++];
            *d = (struct difference){.policy = arms->rows[arm].policy,
                                     .against = arms->rows[0].policy,
                                     .measure = measures[m].json,
                                     .time = measures[m].quantile > 0,
                                     .estimate = NAN,
                                     .low = NAN,
                                     .high = NAN};
            double alpha = alpha_of(arms, measure);
            if (slots)
                by_slots(d, all, measure, alpha);
            else
                by_connections(d, &arms->rows[0], &arms->rows[arm], measure, alpha);
        }
    return differences;
}
