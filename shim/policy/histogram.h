/*
 * histogram: how long something took, in buckets of equal relative width.
 *
 * 16 buckets to each power of two: a percentile is off by 1/32 (3.1 %) at most. Lock-free, and
 * async-signal-safe.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_PARTS   16  /* of a power of two */
#define HISTOGRAM_BUCKETS 656 /* up to 2^44 ns, nearly five hours */

struct histogram {
    _Atomic uint32_t buckets[HISTOGRAM_BUCKETS];
    _Atomic uint64_t count;
    _Atomic uint64_t max;
};

void histogram_add(struct histogram *histogram, uint64_t value);

/** The bucket of a value; and the least value of a bucket, which for HISTOGRAM_BUCKETS is the
 * end of the last. */
unsigned histogram_bucket(uint64_t value);
uint64_t histogram_least(unsigned bucket);

/** The value that `percent` per cent of those added do not exceed; 0 when there are none. */
uint64_t histogram_percentile(struct histogram *histogram, unsigned percent);

#endif
