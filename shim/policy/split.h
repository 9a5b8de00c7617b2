/*
 * split: policies between which connections are split at random, and every policy there is.
 *
 * Owns: splits (`off@90|auto@10`), parsed and drawn from; the policies of a configuration, and
 * those that the switch of a board adds later. Pure.
 */
#ifndef SPLIT_H
#define SPLIT_H

#include "policy/policy.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICIES_MAX 64 /* different ones in one configuration */
#define ARMS_MAX     16 /* of one split */
#define WEIGHT_MAX   1000000

/** Every policy of a configuration, once; connections and statistics refer to them by address.
 */
struct policies {
    _Alignas(8) struct policy all[POLICIES_MAX];
    unsigned count;
    bool settled; /* `count` stays; the switch of a board may add behind it, at any time */
    _Atomic bool has_off; /* among those added: as the last one */
};

/** Whether there is a policy at this index. */
bool policies_has(const struct policies *policies, unsigned index);

/** Policies between which connections are split at random. */
struct split {
    struct arm {
        const struct policy *policy;
        uint32_t weight;
    } arms[ARMS_MAX];
    unsigned count;
};

/** Whether `is` says so of at least one of them. */
bool policies_any(const struct policies *policies, bool (*is)(const struct policy *policy));

/** A piece of a value that is not accepted, and what would be. */
struct refusal {
    const char *text;
    size_t len;
    void (*accepted)(struct text *text);
};

/** Notes in *refusal that text[len] is not accepted. Always false. */
bool not_accepted(struct refusal *refusal, const char *text, size_t len,
                  void (*accepted)(struct text *text));

/** Parses `A` or `A@W|B@W...`, value[len]; new policies are added to *policies. */
bool split_parse(const char *value, size_t len, struct policies *policies, struct split *split,
                 struct refusal *refusal);

/** An arm of the split, by a random number. */
const struct policy *split_draw(const struct split *split, uint64_t random);

#endif
