/*
 * ranks: whether one series of numbers is greater than another, by their ranks alone.
 *
 * Owns: the test of Wilcoxon, Mann and Whitney, and the interval of Hodges and Lehmann for the
 * shift between the two ("Estimates of location based on rank tests", Annals of Mathematical
 * Statistics 34, 1963). Pure. Nothing is assumed of how the numbers are spread. Exact up to
 * RANKS_EXACT numbers, ties included; beyond, by the normal distribution.
 */
#ifndef RANKS_H
#define RANKS_H

#include <stddef.h>

#define RANKS_EXACT 50 /* of both series together */

struct ranked {
    double p;         /* so probable is a difference like this one by mere chance */
    double estimate;  /* the shift, second minus first: the median of all pairs' */
    double low, high; /* it is between these with 95 %; infinite with too few numbers */
};

/** `differences` has room for first_count * second_count numbers. */
struct ranked rank_test(const double *first, size_t first_count, const double *second,
                        size_t second_count, double *differences);

/** The least p that series of these lengths can have. */
double rank_least_p(size_t first_count, size_t second_count);

/** How many numbers of each series would make p 0.05, did they go on as they are; 0: more than
 * `most`. `count`: of each now. */
size_t rank_enough(size_t count, double p, size_t most);

#endif
