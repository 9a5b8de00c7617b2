#include "launcher/report/confidence.h"

#include <math.h>
#include <stdlib.h>

/* --- shares --- */

#define PRIOR 0.5 /* Jeffreys' */

static double log_beta(double a, double b)
{
    return lgamma(a) + lgamma(b) - lgamma(a + b);
}

/** x log(y), which is 0 where x is. */
static double x_log(double x, double y)
{
    if (x <= 0)
        return 0;
    return y > 0 ? x * log(y) : -INFINITY;
}

double share_evidence(struct share share, double p)
{
    double rest = share.all - share.some;
    return log_beta(PRIOR + share.some, PRIOR + rest) - log_beta(PRIOR, PRIOR) -
           x_log(share.some, p) - x_log(rest, 1 - p);
}

static double estimate(struct share share)
{
    return share.all > 0 ? share.some / share.all : 0.5;
}

#define HALVINGS 50

/** The end of the shares whose evidence is at most `most`, on the side of `end`: 0 or 1. */
static double bound(struct share share, double most, double end)
{
    double inside = estimate(share);
    double outside = end;
    if (share_evidence(share, outside) <= most)
        return outside;
    for (int i = 0; i < HALVINGS; i++) {
        double middle = (inside + outside) / 2;
        if (share_evidence(share, middle) <= most)
            inside = middle;
        else
            outside = middle;
    }
    return outside;
}

/** The least difference where the first share is p: what evidence p leaves, the second has. */
static double least_at(struct share first, struct share second, double most, double p)
{
    return bound(second, most - share_evidence(first, p), 0) - p;
}

/** The least difference of pairs of shares whose joint evidence is at most `most`. That set is
 * convex, so the least difference has one minimum over the first share. */
static double least_difference(struct share first, struct share second, double most)
{
    double left = estimate(first);
    double right = bound(first, most - share_evidence(second, estimate(second)), 1);
    for (int i = 0; i < HALVINGS; i++) {
        double a = left + (right - left) * 0.382;
        double b = left + (right - left) * 0.618;
        if (least_at(first, second, most, a) < least_at(first, second, most, b))
            right = b;
        else
            left = a;
    }
    return least_at(first, second, most, (left + right) / 2);
}

struct interval share_difference(struct share first, struct share second, double alpha)
{
    double most = log(1 / alpha);
    return (struct interval){.low = least_difference(first, second, most),
                             .high = -least_difference(second, first, most)};
}

bool shares_differ(struct share first, struct share second, double alpha)
{
    struct share both = {first.some + second.some, first.all + second.all};
    double p = estimate(both);
    return share_evidence(first, p) + share_evidence(second, p) > log(1 / alpha);
}

/* --- quantiles --- */

/** How far from quantile * all, in the direction `step`, a rank may be; infinite: any. */
static double farthest(double all, double quantile, double most, double room, double step)
{
    double inside = 0;
    double outside = room;
    if (share_evidence((struct share){quantile * all + step * room, all}, quantile) <= most)
        return INFINITY;
    for (int i = 0; i < HALVINGS; i++) {
        double middle = (inside + outside) / 2;
        struct share share = {quantile * all + step * middle, all};
        if (share_evidence(share, quantile) <= most)
            inside = middle;
        else
            outside = middle;
    }
    return outside;
}

struct interval quantile_ranks(double all, double quantile, double alpha)
{
    double most = log(1 / alpha);
    double below = farthest(all, quantile, most, quantile * all, -1);
    double above = farthest(all, quantile, most, (1 - quantile) * all, 1);
    return (struct interval){.low = isinf(below) ? -1 : floor(quantile * all - below),
                             .high = ceil(quantile * all + above)};
}

/* --- slots --- */

/** Wilcoxon's statistic, from -1: all of the first arm are greater, to 1. */
static double score(const struct block_values *block, double difference)
{
    double sum = 0;
    for (size_t i = 0; i < block->first_count; i++)
        for (size_t j = 0; j < block->second_count; j++) {
            double shifted = block->second[j] - difference;
            sum += (shifted > block->first[i]) - (shifted < block->first[i]);
        }
    return sum / (double)(block->first_count * block->second_count);
}

/*
 * Bets. The two that stake all gain most where every block says the same, which is what few
 * blocks can show; the others are spread as the arcsine law (Jeffreys' prior) has it.
 */
#define STAKE_ALL 0.35 /* each */
#define OTHERS    20

static double lambda(int i)
{
    return cos((2 * i + 1) * M_PI / (2 * OTHERS));
}

/** log(exp(a) + exp(b)) */
static double log_sum(double a, double b)
{
    double more = fmax(a, b);
    return isinf(more) ? more : more + log1p(exp(-fabs(a - b)));
}

double blocks_evidence(const struct block_values *blocks, size_t count, double difference)
{
    double bets[OTHERS + 2];
    for (int bet = 0; bet < OTHERS + 2; bet++)
        bets[bet] = bet < OTHERS ? log((1 - 2 * STAKE_ALL) / OTHERS) : log(STAKE_ALL);
    for (size_t i = 0; i < count; i++) {
        double s = score(&blocks[i], difference);
        for (int bet = 0; bet < OTHERS; bet++)
            bets[bet] += log1p(lambda(bet) * s);
        bets[OTHERS] += log1p(s);
        bets[OTHERS + 1] += log1p(-s);
    }
    double sum = -INFINITY;
    for (int bet = 0; bet < OTHERS + 2; bet++)
        sum = log_sum(sum, bets[bet]);
    return sum;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static size_t collect(const struct block_values *blocks, size_t count, double *differences)
{
    size_t n = 0;
    for (size_t b = 0; b < count; b++)
        for (size_t i = 0; i < blocks[b].first_count; i++)
            for (size_t j = 0; j < blocks[b].second_count; j++)
                differences[n++] = blocks[b].second[j] - blocks[b].first[i];
    qsort(differences, n, sizeof(*differences), compare);
    return n;
}

struct interval blocks_difference(const struct block_values *blocks, size_t count, double alpha,
                                  double *differences, double *estimated)
{
    double most = log(1 / alpha);
    struct interval interval = {-INFINITY, INFINITY};
    size_t n = collect(blocks, count, differences);
    *estimated = n > 0 ? (differences[(n - 1) / 2] + differences[n / 2]) / 2 : NAN;
    if (n == 0 || blocks_evidence(blocks, count, -INFINITY) <= most)
        return interval;
    size_t low = 0;
    size_t high = n - 1;
    while (low < n - 1 && blocks_evidence(blocks, count, differences[low]) > most)
        low++;
    while (high > low && blocks_evidence(blocks, count, differences[high]) > most)
        high--;
    return (struct interval){differences[low], differences[high]};
}

size_t blocks_needed(double alpha)
{
    static const double one = 1;
    static const double zero = 0;
    enum { MOST = 64 };
    struct block_values blocks[MOST];
    for (size_t n = 1; n <= MOST; n++) {
        blocks[n - 1] = (struct block_values){&zero, &one, 1, 1};
        if (blocks_evidence(blocks, n, 0) > log(1 / alpha))
            return n;
    }
    return MOST;
}
