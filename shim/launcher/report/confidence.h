/*
 * confidence: intervals that hold however often one looks, and at whatever moment one stops.
 *
 * Owns: the statistics of `notimewait report`. Pure: no system call, no memory.
 *
 * All rest on Ville's inequality: a non-negative martingale that begins at 1 exceeds 1/alpha
 * with a probability of alpha at most, at any time (Howard, Ramdas, McAuliffe, Sekhon,
 * "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49,
 * 2021). The interval is the set of values whose martingale has not.
 * - Of shares, the martingale is the likelihood ratio of a mixture, the beta-binomial with
 *   Jeffreys' prior (Robbins 1970). Of two arms, the product of theirs.
 * - Of quantiles: so many of the values lie below, which is a share (Howard and Ramdas,
 *   "Sequential estimation of quantiles with applications to A/B testing and best-arm
 *   identification", Bernoulli 28, 2022).
 * - Of slots: which slots of a block are an arm's was drawn at random. If the arms do not
 *   differ, the score of Wilcoxon's ranks within a block has the mean 0, whatever the values
 *   are. A bet on it multiplies by 1 + lambda * score (Waudby-Smith and Ramdas, "Estimating
 *   means of bounded random variables by betting", JRSS B 86, 2024); the martingale is a
 *   mixture over lambda.
 */
#ifndef CONFIDENCE_H
#define CONFIDENCE_H

#include <stdbool.h>
#include <stddef.h>

struct interval {
    double low, high; /* infinite where nothing bounds it */
};

/** Of `all`, `some` had it. */
struct share {
    double some, all;
};

/** The logarithm of the martingale of a true share of p. */
double share_evidence(struct share share, double p);

/** Of the difference of the true shares, second minus first. */
struct interval share_difference(struct share first, struct share second, double alpha);

/** The same, only whether it leaves out 0; fast. */
bool shares_differ(struct share first, struct share second, double alpha);

/**
 * Of `all` values, ranks between which the quantile lies: at least low of them are less or
 * equal, and high of them are not all less; -1, and infinite, where nothing bounds it.
 */
struct interval quantile_ranks(double all, double quantile, double alpha);

/** The values of an arm's slots within one block. */
struct block_values {
    const double *first, *second;
    size_t first_count, second_count;
};

/** The logarithm of the martingale, were the second arm's values greater by `difference`. */
double blocks_evidence(const struct block_values *blocks, size_t count, double difference);

/** Of the difference, second minus first; *estimate: Hodges and Lehmann's. `differences` has
 * room for one of each pair of slots in a block. */
struct interval blocks_difference(const struct block_values *blocks, size_t count, double alpha,
                                  double *differences, double *estimate);

/** How many blocks there must be at least to tell a difference that each of them has. */
size_t blocks_needed(double alpha);

#endif
