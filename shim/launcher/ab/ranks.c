#include "launcher/ab/ranks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEVEL 0.05

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/** How many of n numbers are below x, and equal to it. */
static void place(const double *numbers, size_t n, double x, unsigned *below, unsigned *equal)
{
    for (size_t i = 0; i < n; i++) {
        *below += numbers[i] < x;
        *equal += numbers[i] == x;
    }
}

/** Twice the mean rank of x among both series: an integer, ties or not. */
static unsigned rank2(const double *a, size_t n, const double *b, size_t m, double x)
{
    unsigned below = 0;
    unsigned equal = 0;
    place(a, n, x, &below, &equal);
    place(b, m, x, &below, &equal);
    return 2 * below + equal + 1;
}

#define SUMS (RANKS_EXACT * (RANKS_EXACT + 1) + 1)

/** ways[k * SUMS + s] becomes the number of choices of k of the ranks whose sum is s. */
static void count_ways(double *ways, const unsigned *ranks, size_t all, size_t chosen)
{
    memset(ways, 0, (chosen + 1) * SUMS * sizeof(*ways));
    ways[0] = 1;
    for (size_t i = 0; i < all; i++)
        for (size_t k = chosen; k-- > 0;)
            for (unsigned s = 0; s + ranks[i] < SUMS; s++)
                ways[(k + 1) * SUMS + s + ranks[i]] += ways[k * SUMS + s];
}

/** The parts of all choices whose sum is at most, and at least, `sum`; the smaller one. */
static double tail(const double *ways, unsigned sum)
{
    double below = 0;
    double above = 0;
    double all = 0;
    for (unsigned s = 0; s < SUMS; s++) {
        all += ways[s];
        below += s <= sum ? ways[s] : 0;
        above += s >= sum ? ways[s] : 0;
    }
    return fmin(below, above) / all;
}

static double exact_p(const unsigned *ranks, size_t first, size_t all, unsigned sum)
{
    double *ways = malloc((first + 1) * SUMS * sizeof(*ways));
    if (!ways)
        return 1;
    count_ways(ways, ranks, all, first);
    double p = 2 * tail(ways + first * SUMS, sum);
    free(ways);
    return fmin(1, p);
}

/** The variance of the sum of `first` of the ranks. */
static double variance(const unsigned *ranks, size_t first, size_t all)
{
    double mean = (double)all + 1; /* of twice the ranks */
    double squares = 0;
    for (size_t i = 0; i < all; i++)
        squares += (ranks[i] - mean) * (ranks[i] - mean);
    double n = (double)first;
    double m = (double)(all - first);
    return n * m / ((n + m) * (n + m - 1)) * squares;
}

static double normal_p(const unsigned *ranks, size_t first, size_t all, unsigned sum)
{
    double deviation = sqrt(variance(ranks, first, all));
    double distance = fabs(sum - (double)first * ((double)all + 1)) - 1; /* continuity */
    if (deviation == 0 || distance <= 0)
        return 1;
    return erfc(distance / deviation / M_SQRT2);
}

static double p_of(const double *first, size_t n, const double *second, size_t m)
{
    unsigned *ranks = calloc(n + m, sizeof(*ranks));
    unsigned sum = 0;
    if (!ranks)
        return 1;
    for (size_t i = 0; i < n + m; i++)
        ranks[i] = rank2(first, n, second, m, i < n ? first[i] : second[i - n]);
    for (size_t i = 0; i < n; i++)
        sum += ranks[i];
    double p =
        n + m <= RANKS_EXACT ? exact_p(ranks, n, n + m, sum) : normal_p(ranks, n, n + m, sum);
    free(ranks);
    return p;
}

/** p where `pairs` of the n times m pairs are the other way round, and no two are equal. */
static double p_of_pairs(size_t n, size_t m, size_t pairs)
{
    double nm = (double)n * (double)m;
    if (n + m > RANKS_EXACT) {
        double z = (nm / 2 - (double)pairs - 0.5) / sqrt(nm * (double)(n + m + 1) / 12);
        return z <= 0 ? 1 : erfc(z / M_SQRT2);
    }
    unsigned ranks[RANKS_EXACT];
    for (size_t i = 0; i < n + m; i++)
        ranks[i] = 2 * (unsigned)i + 2;
    return exact_p(ranks, n, n + m, (unsigned)(n * (n + 1) + 2 * pairs));
}

/** How many of the least, and of the greatest, differences are left out of the interval. */
static size_t left_out(size_t n, size_t m)
{
    size_t pairs = 0;
    while (pairs < n * m / 2 && p_of_pairs(n, m, pairs) <= LEVEL)
        pairs++;
    return pairs;
}

struct ranked rank_test(const double *first, size_t n, const double *second, size_t m,
                        double *differences)
{
    struct ranked ranked = {1, NAN, -INFINITY, INFINITY};
    size_t all = n * m;
    if (all == 0)
        return ranked;
    for (size_t i = 0; i < all; i++)
        differences[i] = second[i % m] - first[i / m];
    qsort(differences, all, sizeof(*differences), compare);
    ranked.p = p_of(first, n, second, m);
    ranked.estimate = (differences[(all - 1) / 2] + differences[all / 2]) / 2;
    size_t out = left_out(n, m);
    if (out == 0)
        return ranked;
    ranked.low = differences[out - 1];
    ranked.high = differences[all - out];
    return ranked;
}

double rank_least_p(size_t n, size_t m)
{
    double ways = 1;
    for (size_t i = 1; i <= n; i++)
        ways *= (double)(m + i) / (double)i;
    return fmin(1, 2 / ways);
}

/** The z beyond which p of a normal distribution lies, on both sides. */
static double z_of(double p)
{
    double low = 0;
    double high = 40;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (erfc(middle / M_SQRT2) > p)
            low = middle;
        else
            high = middle;
    }
    return low;
}

size_t rank_enough(size_t count, double p, size_t most)
{
    double factor = z_of(LEVEL) / z_of(p);
    double enough = ceil((double)count * factor * factor) + 1;
    return p >= 1 || enough > (double)most ? 0 : (size_t)enough;
}
