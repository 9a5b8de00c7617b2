/*
 * compare_slots: the arms of a split by slots. The unit is the slot: its arm was drawn, not
 * those of its connections.
 */
#include "launcher/memory.h"
#include "launcher/report/compare.h"
#include "launcher/report/confidence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Slots that were drawn one by one are looked at in groups: of how many in a group are an
 * arm's, each choice was equally probable. */
#define GROUP 16

/** Blocks and the values that they point into. */
struct compared {
    struct block_values *blocks;
    size_t count, room;
    double *values;
    size_t slots;
};

static double ns_of_bucket(unsigned bucket)
{
    unsigned fine = BOARD_SLOT_FIRST + bucket * (HISTOGRAM_PARTS / BOARD_SLOT_PARTS);
    return (double)(histogram_least(fine) +
                    histogram_least(fine + HISTOGRAM_PARTS / BOARD_SLOT_PARTS)) /
           2;
}

/** In us; NAN without any. */
static double quantile_of(const uint64_t times[BOARD_SLOT_BUCKETS], double quantile)
{
    uint64_t all = 0;
    uint64_t seen = 0;
    for (unsigned i = 0; i < BOARD_SLOT_BUCKETS; i++)
        all += times[i];
    for (unsigned i = 0; i < BOARD_SLOT_BUCKETS && all > 0; i++)
        if ((double)(seen += times[i]) >= quantile * (double)all)
            return ns_of_bucket(i) / 1000;
    return NAN;
}

static double value_of(const struct slot_row *slot, enum measure measure)
{
    double connections = (double)slot->connections;
    double failed = (double)slot->failed;
    switch (measure) {
    case MEASURE_FAILED:
        return failed / (failed + connections);
    case MEASURE_BROKEN:
        return fmin((double)slot->broken, connections) / connections;
    case MEASURE_CONNECT_P50:
        return quantile_of(slot->connect_ns, 0.5);
    case MEASURE_CONNECT_P99:
        return quantile_of(slot->connect_ns, 0.99);
    case MEASURE_CLOSE_P50:
        return quantile_of(slot->close_ns, 0.5);
    default:
        return quantile_of(slot->close_ns, 0.99);
    }
}

static uint64_t size_of_block(const struct slot_row *slot)
{
    return slot->block > 1 ? slot->block : GROUP;
}

/** Slots of one length whose arms were drawn together. */
static uint64_t block_of(const struct slot_row *slot)
{
    return slot->start / slot->length / size_of_block(slot);
}

static int compare_starts(const void *a, const void *b)
{
    const struct slot_row *x = a;
    const struct slot_row *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/** A block that is not over yet says nothing: what is missing may be one arm's. */
static bool is_over(const struct slot_row *slot, uint64_t last_end)
{
    return (block_of(slot) + 1) * size_of_block(slot) * slot->length <= last_end;
}

/** Values of the arm's slots of a block, appended; returns how many. */
static size_t take(struct compared *compared, size_t *used, const struct slot_row *slots,
                   size_t count, const char *policy, enum measure measure)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        double value = value_of(&slots[i], measure);
        if (strcmp(slots[i].policy, policy) != 0 || isnan(value))
            continue;
        compared->values[*used + n++] = value;
    }
    *used += n;
    return n;
}

static void add_block(struct compared *compared, size_t *used, const struct slot_row *slots,
                      size_t count, const char *const arms[2], enum measure measure)
{
    struct block_values block = {.first = compared->values + *used};
    block.first_count = take(compared, used, slots, count, arms[0], measure);
    block.second = compared->values + *used;
    block.second_count = take(compared, used, slots, count, arms[1], measure);
    if (block.first_count == 0 || block.second_count == 0)
        return;
    compared->slots += block.first_count + block.second_count;
    compared->blocks =
        grow(compared->blocks, &compared->room, compared->count + 1, sizeof(*compared->blocks));
    compared->blocks[compared->count++] = block;
}

/** `slots` are in the order of time. */
static void make_blocks(struct compared *compared, const struct slot_row *slots, size_t count,
                        const char *const arms[2], enum measure measure)
{
    size_t used = 0;
    uint64_t last_end = count > 0 ? slots[count - 1].start + slots[count - 1].length : 0;
    for (size_t i = 0, n; i < count; i += n) {
        for (n = 1; i + n < count && block_of(&slots[i + n]) == block_of(&slots[i]) &&
                    slots[i + n].length == slots[i].length;)
            n++;
        if (is_over(&slots[i], last_end))
            add_block(compared, &used, &slots[i], n, arms, measure);
    }
}

static size_t pairs_of(const struct compared *compared)
{
    size_t pairs = 0;
    for (size_t i = 0; i < compared->count; i++)
        pairs += compared->blocks[i].first_count * compared->blocks[i].second_count;
    return pairs;
}

static size_t more_slots(const struct compared *compared, double alpha)
{
    size_t needed = blocks_needed(alpha);
    size_t slots = compared->count > 0 ? compared->slots / compared->count : 2;
    return needed > compared->count ? (needed - compared->count) * slots : slots;
}

struct slots_result compare_slots(const struct data *data, const char *first,
                                  const char *second, enum measure measure, double alpha)
{
    struct compared compared = {.count = 0};
    struct slots_result result = {.estimate = NAN, .low = NAN, .high = NAN};
    const char *const arms[2] = {first, second};
    size_t room = 0;
    if (data->slots_count > 0)
        qsort(data->slots, data->slots_count, sizeof(*data->slots), compare_starts);
    compared.values = grow(NULL, &room, data->slots_count + 1, sizeof(double));
    make_blocks(&compared, data->slots, data->slots_count, arms, measure);
    room = 0;
    double *differences = grow(NULL, &room, pairs_of(&compared) + 1, sizeof(double));
    if (compared.count > 0) {
        struct interval interval = blocks_difference(compared.blocks, compared.count, alpha,
                                                     differences, &result.estimate);
        result.low = interval.low;
        result.high = interval.high;
    }
    result.slots = compared.slots;
    result.more = more_slots(&compared, alpha);
    free(differences);
    free(compared.values);
    free(compared.blocks);
    return result;
}
