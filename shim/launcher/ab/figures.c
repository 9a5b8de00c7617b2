#include "launcher/ab/figures.h"

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

struct spread figure_spread(const struct series *arm, enum figure figure)
{
    struct spread spread = {NAN, NAN, NAN, 0};
    double *values = calloc(arm->count + 1, sizeof(*values));
    if (!values)
        return spread;
    size_t n = 0;
    for (size_t i = 0; i < arm->count; i++)
        if (!isnan(arm->runs[i].value[figure]))
            values[n++] = arm->runs[i].value[figure];
    if (n > 0) {
        qsort(values, n, sizeof(*values), compare);
        double median = (values[(n - 1) / 2] + values[n / 2]) / 2;
        spread = (struct spread){median, values[0], values[n - 1], n};
    }
    free(values);
    return spread;
}

double figure_chance(size_t n, size_t m)
{
    double ways = 1;
    for (size_t i = 1; i <= n; i++)
        ways *= (double)(m + i) / (double)i;
    return fmin(1, 2 / ways);
}

double experiment_chance(const struct experiment *experiment)
{
    double most = 0;
    for (unsigned i = 1; i < experiment->count; i++)
        if (experiment->arms[0].count > 1 && experiment->arms[i].count > 1)
            most =
                fmax(most, figure_chance(experiment->arms[0].count, experiment->arms[i].count));
    return most > 0 ? most : 1;
}

enum verdict figure_verdict(const struct spread *control, const struct spread *arm,
                            double chance)
{
    if (control->runs == 0 || arm->runs == 0 ||
        (control->min == control->max && arm->min == arm->max && control->min == arm->min))
        return VERDICT_NONE;
    if (control->runs == 1 || arm->runs == 1 ||
        figure_chance(control->runs, arm->runs) > chance)
        return VERDICT_FEW;
    if (arm->min <= control->max && control->min <= arm->max)
        return VERDICT_NOISE;
    return VERDICT_REAL;
}
