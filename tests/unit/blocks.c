/*
 * blocks: which blocks of ports are looked at, and in which order. The dump is this program's:
 *
 *   blocks BLOCK:ENTRIES[:AGE[:KIND]]...
 *
 * makes ENTRIES entries in BLOCK, the youngest AGE ms old (1,000). KIND `a`: of another local
 * address; `i`: of another interface. Ports are 32768 to 60999: blocks 2048 to 3812. Prints the
 * blocks in blocks_next()'s order. With MS as the first word: in the order of 40 that are
 * taken from, one each MS, to be ready again after 200 ms; -1: none was ready.
 */
#include "kernel/blocks.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static char **words;

static struct diag_socket entry_of(unsigned block, unsigned i, unsigned age, char kind)
{
    struct diag_socket entry = {.family = AF_INET, .state = STATE_TIME_WAIT};
    entry.expires_ms = TIME_WAIT_MS - age;
    entry.id.local_port = htons(block_port(block, i));
    entry.id.local[0] = kind == 'a';
    entry.id.interface = kind == 'i';
    return entry;
}

/** The number at *at, and behind it a colon, which *at is moved behind; `otherwise`: none. */
static unsigned number(char **at, unsigned otherwise)
{
    char *end;
    unsigned long value = strtoul(*at, &end, 10);
    bool any = end != *at;
    *at = *end == ':' ? end + 1 : end;
    return any ? (unsigned)value : otherwise;
}

/** In place of kernel/diag.c's. */
bool diag_each_to(int diag, const struct diag_socket *peer, uint8_t family, unsigned states,
                  diag_visit *visit, void *context)
{
    (void)diag, (void)peer;
    for (char **word = words; family == AF_INET && states && *word; word++) {
        char *at = *word;
        unsigned block = number(&at, 0), entries = number(&at, 0), age = number(&at, 1000);
        char kind = *at ? *at : 't';
        if (entries == 0)
            exit(2);
        for (unsigned i = 0; i < entries; i++) {
            struct diag_socket entry = entry_of(block, i, age + i, kind);
            visit(&entry, context);
        }
    }
    return true;
}

static void take(struct blocks *blocks, unsigned ms)
{
    for (int64_t now = 0; now < 40 * (int64_t)ms; now += ms) {
        int block = blocks_next(blocks, now, false);
        printf("%d\n", block);
        if (block >= 0)
            blocks_put(blocks, (unsigned)block, now + 200, true);
    }
}

int main(int argc, char **argv)
{
    static struct blocks blocks;
    const struct sysctls sysctls = {.low = 32768, .high = 60999};
    const struct diag_socket peer = {.family = AF_INET};
    const struct blocks_wanted wanted = {
        .socket = &peer, .sysctls = &sysctls, .family = AF_INET};
    if (argc < 2)
        return 2;
    words = argv + 1;
    char *end;
    unsigned ms = (unsigned)strtoul(argv[1], &end, 10);
    bool takes = *end != ':';
    words += takes;
    if (!blocks_fill(&blocks, -1, &wanted, 0))
        return 1;
    if (takes)
        take(&blocks, ms);
    for (int block; !takes && (block = blocks_next(&blocks, 0, true)) >= 0;)
        printf("%d\n", block);
    return 0;
}
