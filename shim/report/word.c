#include "report/word.h"

#include "policy/settings.h"
#include "report/board.h"

#include <stddef.h>
#include <string.h>

const struct board_switch *word_board;

/*
 * What the last good word means. A writer makes `sequence` odd meanwhile; who finds it odd, or
 * changed after reading, reads the board itself. An arm is its policy's index above its weight.
 */
static struct {
    _Atomic uint32_t sequence;
    _Atomic uint32_t word; /* the board's, bad ones included */
    _Atomic uint32_t says, count, arms[ARMS_MAX];
} known;

#define WEIGHT_BITS 20
_Static_assert(WEIGHT_MAX < 1 << WEIGHT_BITS, "an arm in 32 bits");

static bool recall(enum word *says, struct split *split)
{
    const struct policy *all = settings.config.policies.all;
    uint32_t before = atomic_load(&known.sequence);
    *says = (enum word)atomic_load(&known.says);
    split->count = atomic_load(&known.count);
    for (unsigned i = 0; i < split->count; i++) {
        uint32_t arm = atomic_load(&known.arms[i]);
        split->arms[i].policy = &all[arm >> WEIGHT_BITS];
        split->arms[i].weight = arm & ((1u << WEIGHT_BITS) - 1);
    }
    return before % 2 == 0 && atomic_load(&known.sequence) == before;
}

static void remember(uint32_t word, enum word says, const struct split *split)
{
    const struct policy *all = settings.config.policies.all;
    uint32_t even = atomic_load(&known.sequence) & ~1u;
    if (!atomic_compare_exchange_strong(&known.sequence, &even, even + 1))
        return;
    atomic_store(&known.word, word);
    atomic_store(&known.says, says);
    atomic_store(&known.count, split->count);
    for (unsigned i = 0; i < split->count; i++)
        atomic_store(&known.arms[i], (uint32_t)(split->arms[i].policy - all) << WEIGHT_BITS |
                                         split->arms[i].weight);
    atomic_store(&known.sequence, even + 2);
}

/** False where it cannot be parsed. Nothing at all: the configuration's is in force again. */
static bool parse(const char *text, size_t len, enum word *says, struct split *split)
{
    struct refusal unused;
    *says = WORD_NOTHING;
    split->count = 0;
    if (len == 0)
        return true;
    *says = len == 3 && memcmp(text, "off", len) == 0 ? WORD_OFF : WORD_SPLIT;
    return split_parse(text, len, &settings.config.policies, split, &unused);
}

#define TRIES 4

/** Copies the text of the word in force, which is *word then; false while it keeps changing. */
static bool copy(uint32_t *word, char text[BOARD_WORD_SIZE], size_t *len)
{
    for (int i = 0; i < TRIES; i++) {
        *word = atomic_load(&word_board->word);
        const struct board_word *from = &word_board->words[*word % 2];
        *len = *(const volatile uint32_t *)&from->len; /* once: it may change */
        if (*len <= BOARD_WORD_SIZE)
            memcpy(text, from->text, *len);
        if (atomic_load(&word_board->word) == *word)
            return *len <= BOARD_WORD_SIZE;
    }
    return false;
}

static enum word learn(struct split *split)
{
    char text[BOARD_WORD_SIZE];
    uint32_t word;
    size_t len;
    enum word says;
    if (copy(&word, text, &len) && parse(text, len, &says, split)) {
        remember(word, says, split);
        return says;
    }
    if (!recall(&says, split))
        return WORD_NOTHING;
    remember(word, says, split);
    return says;
}

enum word word_now(struct split *split)
{
    enum word says;
    uint32_t word =
        word_board ? atomic_load_explicit(&word_board->word, memory_order_acquire) : 0;
    if (__builtin_expect(word == 0, 1))
        return WORD_NOTHING;
    if (atomic_load(&known.word) == word && recall(&says, split))
        return says;
    return learn(split);
}

bool word_is_off(void)
{
    struct split split;
    return word_now(&split) == WORD_OFF;
}

void word_in_child(void)
{
    uint32_t sequence = atomic_load(&known.sequence);
    if (sequence % 2 == 0)
        return;
    atomic_store(&known.word, 0);
    atomic_store(&known.sequence, sequence + 1);
}
