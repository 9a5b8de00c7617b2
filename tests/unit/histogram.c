/*
 * histogram: percentiles against those of the sorted values, over many magnitudes.
 */
#include "policy/histogram.h"

#include <stdio.h>
#include <stdlib.h>

#define VALUES 10000

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/** The largest relative error of the percentiles of values that spread over 2^spread. */
static double worst_error(unsigned spread)
{
    static uint64_t values[VALUES];
    static struct histogram histogram;
    uint64_t seed = spread;
    double worst = 0;
    histogram = (struct histogram){0};
    for (int i = 0; i < VALUES; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        values[i] = (seed >> 20) >> (44 - spread) >> (seed % spread);
        histogram_add(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), by_size);
    for (unsigned percent = 1; percent <= 100; percent++) {
        unsigned rank = (VALUES * percent + 99) / 100;
        double truth = (double)values[rank - 1];
        double error = (double)histogram_percentile(&histogram, percent) - truth;
        error = (error < 0 ? -error : error) / (truth > 0 ? truth : 1);
        worst = error > worst ? error : worst;
    }
    return worst;
}

int main(void)
{
    double worst = 0;
    for (unsigned spread = 4; spread <= 43; spread++) {
        double error = worst_error(spread);
        worst = error > worst ? error : worst;
    }
    printf("worst relative error of a percentile: %.2f %%\n", worst * 100);
    return worst >= 0.05;
}
