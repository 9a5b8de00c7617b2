#include "policy/histogram.h"

/** Values below 16 have a bucket each; then the power of two and the next four bits choose. */
static unsigned bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_PARTS)
        return (unsigned)value;
    unsigned power = 63 - (unsigned)__builtin_clzll(value);
    unsigned part = (unsigned)(value >> (power - 4)) % HISTOGRAM_PARTS;
    unsigned bucket = (power - 3) * HISTOGRAM_PARTS + part;
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/** The middle of a bucket. */
static uint64_t value_of(unsigned bucket)
{
    if (bucket < 2 * HISTOGRAM_PARTS)
        return bucket;
    unsigned shift = bucket / HISTOGRAM_PARTS - 1;
    uint64_t low = (uint64_t)(HISTOGRAM_PARTS + bucket % HISTOGRAM_PARTS) << shift;
    return low + (UINT64_C(1) << shift) / 2;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    atomic_fetch_add(&histogram->buckets[bucket_of(value)], 1);
    atomic_fetch_add(&histogram->count, 1);
    uint64_t max = atomic_load(&histogram->max);
    while (value > max && !atomic_compare_exchange_weak(&histogram->max, &max, value))
        ;
}

uint64_t histogram_percentile(struct histogram *histogram, unsigned percent)
{
    uint64_t count = atomic_load(&histogram->count);
    uint64_t wanted = (count * percent + 99) / 100;
    uint64_t max = atomic_load(&histogram->max);
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS && count > 0; bucket++) {
        seen += atomic_load(&histogram->buckets[bucket]);
        if (seen >= wanted) {
            uint64_t value = value_of(bucket);
            return value < max ? value : max;
        }
    }
    return max;
}
