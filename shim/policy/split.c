#include "policy/split.h"

#include "policy/number.h"

#include <string.h>

static void accepted_split(struct text *text)
{
    policy_accepted(text);
    text_str(text, ", or A@W|B@W");
}

static void accepted_weight(struct text *text)
{
    text_str(text, "POLICY@W, W 1-1000000");
}

static void accepted_arms(struct text *text)
{
    text_str(text, "at most 16 policies between |, 64 different ones in all");
}

bool not_accepted(struct refusal *refusal, const char *text, size_t len,
                  void (*accepted)(struct text *text))
{
    *refusal = (struct refusal){.text = text, .len = len, .accepted = accepted};
    return false;
}

bool policies_any(const struct policies *policies, bool (*is)(const struct policy *policy))
{
    for (unsigned i = 0; i < policies->count; i++)
        if (is(&policies->all[i]))
            return true;
    return false;
}

static bool is_same(const struct policy *a, const struct policy *b)
{
    return a->kind == b->kind && a->argument == b->argument;
}

/*
 * A policy takes 8 bytes, which are written at once. In a place that nobody has taken they are
 * zero, as those of `off` would be: it has the last place, and a flag.
 */
_Static_assert(sizeof(struct policy) == 8 && POLICY_OFF == 0, "written at once");

bool policies_has(const struct policies *policies, unsigned index)
{
    struct policy policy;
    if (index < policies->count)
        return true;
    if (index == POLICIES_MAX - 1)
        return policies->has_off;
    __atomic_load(&policies->all[index], &policy, __ATOMIC_ACQUIRE);
    return policy.kind != POLICY_OFF;
}

/** A place behind those of the configuration, while other threads may look for one. */
static const struct policy *intern_late(struct policies *policies, const struct policy *policy)
{
    if (policy->kind == POLICY_OFF && policies->count < POLICIES_MAX) {
        atomic_store(&policies->has_off, true);
        return &policies->all[POLICIES_MAX - 1];
    }
    for (unsigned i = policies->count; i < POLICIES_MAX - 1; i++) {
        struct policy old = {.kind = POLICY_OFF};
        struct policy new = *policy;
        if (__atomic_compare_exchange(&policies->all[i], &old, &new, false, __ATOMIC_ACQ_REL,
                                      __ATOMIC_ACQUIRE) ||
            is_same(&old, policy))
            return &policies->all[i];
    }
    return NULL;
}

/** The policy's one place in *policies; NULL when it is full. */
static const struct policy *intern(struct policies *policies, const struct policy *policy)
{
    for (unsigned i = 0; i < policies->count; i++)
        if (is_same(&policies->all[i], policy))
            return &policies->all[i];
    if (policies->settled)
        return intern_late(policies, policy);
    if (policies->count == POLICIES_MAX)
        return NULL;
    policies->all[policies->count] = *policy;
    return &policies->all[policies->count++];
}

/** "POLICY" or "POLICY@W" */
static bool parse_arm(const char *value, size_t len, struct policies *policies, struct arm *arm,
                      struct refusal *refusal)
{
    const char *at = memchr(value, '@', len);
    size_t name_len = at ? (size_t)(at - value) : len;
    struct policy policy;
    uint64_t weight = 1;
    if (!policy_parse(value, name_len, &policy))
        return not_accepted(refusal, value, name_len, accepted_split);
    if (at && !number_parse(at + 1, len - name_len - 1, 1, WEIGHT_MAX, &weight))
        return not_accepted(refusal, value, len, accepted_weight);
    arm->weight = (uint32_t)weight;
    arm->policy = intern(policies, &policy);
    return arm->policy || not_accepted(refusal, value, len, accepted_arms);
}

bool split_parse(const char *value, size_t len, struct policies *policies, struct split *split,
                 struct refusal *refusal)
{
    const char *whole = value;
    const char *end = value + len;
    split->count = 0;
    for (;;) {
        const char *bar = memchr(value, '|', (size_t)(end - value));
        size_t arm_len = (size_t)((bar ? bar : end) - value);
        if (arm_len == 0)
            return not_accepted(refusal, whole, len, accepted_split);
        if (split->count == ARMS_MAX)
            return not_accepted(refusal, value, arm_len, accepted_arms);
        if (!parse_arm(value, arm_len, policies, &split->arms[split->count++], refusal))
            return false;
        if (!bar)
            return true;
        value = bar + 1;
    }
}

const struct policy *split_draw(const struct split *split, uint64_t random)
{
    uint64_t total = split->arms[0].weight; /* there is at least one */
    for (unsigned i = 1; i < split->count; i++)
        total += split->arms[i].weight;
    uint64_t point = total > 1 ? random % total : 0;
    unsigned i = 0;
    while (point >= split->arms[i].weight)
        point -= split->arms[i++].weight;
    return split->arms[i].policy;
}
