/*
 * slots: which arm each slot belongs to.
 *
 *   slots SPLIT SEED - FIRST COUNT         a line `ARM` for each of COUNT slots from FIRST on
 *   slots --at LENGTH SECONDS...           a line `NUMBER START WASHOUT` for each time
 */
#include "policy/slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_at(uint32_t length, char **times)
{
    for (; *times; times++) {
        struct slot slot = slot_at(strtoll(*times, NULL, 10) * 1000000000, length);
        printf("%llu %u %d\n", (unsigned long long)slot.number, slot.start, slot.washout);
    }
}

int main(int argc, char **argv)
{
    static struct policies policies;
    struct split split;
    struct refusal refusal;
    if (argc > 3 && strcmp(argv[1], "--at") == 0) {
        print_at((uint32_t)strtoul(argv[2], NULL, 10), argv + 3);
        return 0;
    }
    if (argc != 6 || !split_parse(argv[1], strlen(argv[1]), &policies, &split, &refusal))
        return 2;
    uint64_t seed = strtoull(argv[2], NULL, 10);
    uint64_t first = strtoull(argv[4], NULL, 10);
    uint64_t count = strtoull(argv[5], NULL, 10);
    printf("block %u\n", slots_block(&split));
    for (uint64_t n = first; n < first + count; n++)
        printf("%u\n", slots_arm(&split, n, seed));
    return 0;
}
