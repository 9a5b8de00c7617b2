/*
 * statistics: experiments by a random number generator, and how many of them get a verdict.
 *
 *   statistics KIND EXPERIMENTS SEED EFFECT    a line `VERDICTS of EXPERIMENTS`
 *
 * The effect is 0 where the arms do not differ (A/A): then verdicts are false ones. One looks
 * after every 100 connections, or after every block of slots, and stops at the first verdict.
 *   shares     a twentieth of connects fails, in the second arm EFFECT more; 100 looks
 *   quantiles  the time of connect, and 1 + EFFECT times that; p50 and p99; 60 looks
 *   slots      failures of a slot, by which the next ones go, too; EFFECT more; 60 looks
 *   bursts     the same with nine slots of ten without any failure, and nine to one of an arm
 *   ab         six runs of each arm, the second's numbers greater by EFFECT, of which some tie
 */
#include "launcher/ab/ranks.h"
#include "launcher/report/confidence.h"
#include "policy/histogram.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

/** SplitMix64, from 0 to 1. */
static double uniform(void)
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(1 - uniform())) * cos(2 * M_PI * uniform());
}

static bool shares(double effect)
{
    struct share arms[2] = {{0, 0}, {0, 0}};
    for (int look = 0; look < 100; look++) {
        for (int i = 0; i < 100; i++) {
            int arm = uniform() < 0.5;
            arms[arm].all++;
            arms[arm].some += uniform() < 0.05 + (arm ? effect : 0);
        }
        if (shares_differ(arms[0], arms[1], 0.04))
            return true;
    }
    return false;
}

/** What times tells of a quantile: as compare.c does, in buckets. */
static struct interval interval_of(const double *cumulative, double quantile, double alpha)
{
    struct interval ranks = quantile_ranks(cumulative[HISTOGRAM_BUCKETS - 1], quantile, alpha);
    struct interval in = {0, INFINITY};
    unsigned bucket = 0;
    while (bucket < HISTOGRAM_BUCKETS - 1 && cumulative[bucket] <= ranks.low)
        bucket++;
    in.low = ranks.low >= 0 ? (double)histogram_least(bucket) : 0;
    while (bucket < HISTOGRAM_BUCKETS - 1 && cumulative[bucket] < ranks.high)
        bucket++;
    if (!isinf(ranks.high))
        in.high = (double)histogram_least(bucket + 1);
    return in;
}

static bool quantiles(double effect)
{
    static double counts[2][HISTOGRAM_BUCKETS];
    memset(counts, 0, sizeof(counts));
    for (int look = 0; look < 60; look++) {
        for (int i = 0; i < 100; i++) {
            int arm = uniform() < 0.5;
            double ns = 30000 * exp(0.3 * normal()) * (arm ? 1 + effect : 1);
            for (unsigned b = histogram_bucket((uint64_t)ns); b < HISTOGRAM_BUCKETS; b++)
                counts[arm][b]++;
        }
        for (int which = 0; which < 2; which++) {
            double quantile = which ? 0.99 : 0.5;
            struct interval a = interval_of(counts[0], quantile, 0.01);
            struct interval b = interval_of(counts[1], quantile, 0.01);
            if (b.low > a.high || b.high < a.low)
                return true;
        }
    }
    return false;
}

#define BLOCKS 60

/** Blocks of `firsts` slots of one arm and one of the other, wherever that lies. */
static bool slots(double effect, unsigned firsts, double quiet)
{
    static double values[BLOCKS][16];
    static double differences[BLOCKS * 16];
    struct block_values blocks[BLOCKS];
    double last = 0;
    for (size_t n = 0; n < BLOCKS; n++) {
        unsigned second = (unsigned)(uniform() * (firsts + 1));
        for (unsigned i = 0, at = 0; i <= firsts; i++) {
            last = uniform() < quiet ? 0 : 0.5 * last + 0.1 * exp(normal());
            if (i == second)
                values[n][firsts] = last + effect;
            else
                values[n][at++] = last;
        }
        blocks[n] = (struct block_values){values[n], values[n] + firsts, firsts, 1};
        if (blocks_evidence(blocks, n + 1, 0) > log(1 / 0.05)) {
            double estimate;
            struct interval in = blocks_difference(blocks, n + 1, 0.05, differences, &estimate);
            return in.low > 0 || in.high < 0; /* the interval says what the test says */
        }
    }
    return false;
}

static bool ab(double effect)
{
    double numbers[2][6];
    double differences[36];
    for (int arm = 0; arm < 2; arm++)
        for (int i = 0; i < 6; i++)
            numbers[arm][i] = round(10 * (exp(normal()) + arm * effect));
    return rank_test(numbers[0], 6, numbers[1], 6, differences).p <= 0.05;
}

static bool experiment(const char *kind, double effect)
{
    if (strcmp(kind, "shares") == 0)
        return shares(effect);
    if (strcmp(kind, "quantiles") == 0)
        return quantiles(effect);
    if (strcmp(kind, "slots") == 0)
        return slots(effect, 1, 0);
    if (strcmp(kind, "bursts") == 0)
        return slots(effect, 9, 0.9);
    return ab(effect);
}

static void print_ranks(int argc, char **argv)
{
    double numbers[2][64];
    double differences[64 * 64];
    size_t count[2] = {0, 0};
    int series = 0;
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "/") == 0)
            series = 1;
        else if (count[series] < 64)
            numbers[series][count[series]++] = strtod(argv[i], NULL);
    struct ranked r = rank_test(numbers[0], count[0], numbers[1], count[1], differences);
    printf("%.6f %g %g %g\n", r.p, r.estimate, r.low, r.high);
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "ranks") == 0) {
        print_ranks(argc - 2, argv + 2);
        return 0;
    }
    if (argc > 5 && strcmp(argv[1], "share") == 0) {
        struct share a = {strtod(argv[2], NULL), strtod(argv[3], NULL)};
        struct share b = {strtod(argv[4], NULL), strtod(argv[5], NULL)};
        struct interval in = share_difference(a, b, 0.05);
        printf("%.6f %.6f %d\n", in.low, in.high, shares_differ(a, b, 0.05));
        return 0;
    }
    if (argc != 5)
        return 2;
    long all = strtol(argv[2], NULL, 10);
    long verdicts = 0;
    state = strtoull(argv[3], NULL, 10);
    for (long i = 0; i < all; i++)
        verdicts += experiment(argv[1], strtod(argv[4], NULL));
    printf("%ld of %ld\n", verdicts, all);
    return 0;
}
