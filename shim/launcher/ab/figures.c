#include "launcher/ab/figures.h"

#include "launcher/ab/ranks.h"

#include <math.h>
#include <stdlib.h>

const struct figure_info figures[FIGURES] = {
    [WALL_S] = {"wall_s", "wall time, ms", 1000, 1, true},
    [CONNECTIONS] = {"connections", "connections", 1, 0, false},
    [CONNECT_ERRORS] = {"connect_errors", "failed connects", 1, 0, false},
    [TIME_WAIT_LEFT] = {"time_wait_left", "TIME_WAIT left", 1, 0, false},
    [RST_SENT] = {"rst_sent", "RSTs sent", 1, 0, false},
    [CUT] = {"resets", "reset, no FIN", 1, 0, false},
    [CLOSE_US] = {"close_us_p50", "close, us", 1, 1, true},
    [CONNECT_US] = {"connect_us_p50", "connect, us", 1, 1, true},
};

const char *const verdict_names[] = {
    [VERDICT_NONE] = "same",
    [VERDICT_NOISE] = "noise",
    [VERDICT_REAL] = "real",
    [VERDICT_FEW] = "too few runs",
};

size_t arm_contaminated(const struct series *arm)
{
    size_t n = 0;
    for (size_t i = 0; i < arm->count; i++)
        n += arm->runs[i].contaminated;
    return n;
}

size_t figure_runs(const struct experiment *experiment)
{
    size_t n = 0;
    for (unsigned i = 0; i < experiment->count; i++)
        n += experiment->arms[i].count;
    return n;
}

bool experiment_failed(const struct experiment *experiment)
{
    for (unsigned i = 0; i < experiment->count; i++)
        for (size_t j = 0; j < experiment->arms[i].count; j++)
            if (experiment->arms[i].runs[j].status == 0)
                return false;
    return figure_runs(experiment) > 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/** The values that the runs have; returns how many. */
static size_t collect(const struct series *arm, enum figure figure, double *values)
{
    size_t n = 0;
    for (size_t i = 0; i < arm->count; i++)
        if (!isnan(arm->runs[i].value[figure]))
            values[n++] = arm->runs[i].value[figure];
    return n;
}

struct spread figure_spread(const struct series *arm, enum figure figure)
{
    struct spread spread = {NAN, NAN, NAN, 0};
    double *values = calloc(arm->count + 1, sizeof(*values));
    if (!values)
        return spread;
    size_t n = collect(arm, figure, values);
    if (n > 0) {
        qsort(values, n, sizeof(*values), compare);
        double median = (values[(n - 1) / 2] + values[n / 2]) / 2;
        spread = (struct spread){median, values[0], values[n - 1], n};
    }
    free(values);
    return spread;
}

#define RUNS_MOST 200 /* that are proposed */

static bool all_equal(const struct spread *a, const struct spread *b)
{
    return a->min == a->max && b->min == b->max && a->min == b->min;
}

static enum figure_verdict verdict_of(double p, size_t n, size_t m)
{
    if (p <= CHANCE_MAX)
        return VERDICT_REAL;
    return rank_least_p(n, m) > CHANCE_MAX ? VERDICT_FEW : VERDICT_NOISE;
}

/** The least number of runs of each arm with which a difference can be told at all. */
static size_t runs_needed(void)
{
    size_t runs = 1;
    while (rank_least_p(runs, runs) > CHANCE_MAX)
        runs++;
    return runs;
}

static size_t runs_proposed(const struct comparison *comparison, size_t runs)
{
    if (comparison->verdict == VERDICT_FEW)
        return runs_needed();
    if (comparison->verdict == VERDICT_NOISE)
        return rank_enough(runs, comparison->p, RUNS_MOST);
    return 0;
}

struct comparison figure_compare(const struct series *control, const struct series *arm,
                                 enum figure figure)
{
    struct comparison comparison = {VERDICT_NONE, NAN, NAN, NAN, NAN, 0};
    struct spread from = figure_spread(control, figure);
    struct spread to = figure_spread(arm, figure);
    double *values = calloc(from.runs + to.runs + from.runs * to.runs + 1, sizeof(*values));
    if (values && from.runs > 0 && to.runs > 0) {
        double *second = values + collect(control, figure, values);
        size_t m = collect(arm, figure, second);
        struct ranked ranked = rank_test(values, from.runs, second, m, second + m);
        comparison = (struct comparison){
            .p = ranked.p, .estimate = ranked.estimate, .low = ranked.low, .high = ranked.high};
        if (!all_equal(&from, &to))
            comparison.verdict = verdict_of(ranked.p, from.runs, m);
        comparison.runs = runs_proposed(&comparison, m);
    }
    free(values);
    return comparison;
}
