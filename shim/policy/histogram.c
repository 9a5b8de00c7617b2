#include "policy/histogram.h"

/** Values below 16 have a bucket each; then the power of two and the next four bits choose. */
unsigned histogram_bucket(uint64_t value)
{
    if (value < HISTOGRAM_PARTS)
        return (unsigned)value;
    unsigned power = 63 - (unsigned)__builtin_clzll(value);
    unsigned part = (unsigned)(value >> (power - 4)) % HISTOGRAM_PARTS;
    unsigned bucket = (power - 3) * HISTOGRAM_PARTS + part;
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

uint64_t histogram_least(unsigned bucket)
{
    if (bucket < 2 * HISTOGRAM_PARTS)
        return bucket;
    unsigned shift = bucket / HISTOGRAM_PARTS - 1;
    return (uint64_t)(HISTOGRAM_PARTS + bucket % HISTOGRAM_PARTS) << shift;
}

/** The middle of a bucket. */
static uint64_t value_of(unsigned bucket)
{
    uint64_t low = histogram_least(bucket);
    return low + (histogram_least(bucket + 1) - low) / 2;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    atomic_fetch_add(&histogram->buckets[histogram_bucket(value)], 1);
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
