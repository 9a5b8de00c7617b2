/*
 * rules: which policy a connection gets.
 *
 * Owns: splits (`off@90|auto@10`) and NOTIMEWAIT_RULES, parsed and applied. A connection's
 * policy is chosen once, at its birth. Pure: no global, no malloc, no system call.
 */
#ifndef RULES_H
#define RULES_H

#include "policy/address.h"
#include "policy/policy.h"

#include <stdatomic.h>

#define POLICIES_MAX 64 /* different ones in one configuration */
#define ARMS_MAX     16 /* of one split */
#define RULES_MAX    128
#define WEIGHT_MAX   1000000
#define GLOB_MAX     255 /* bytes, as of a file's name */

enum role { ROLE_UNKNOWN, ROLE_CLIENT, ROLE_SERVER, ROLES };

extern const char *const role_names[ROLES];

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

/** One `SELECTOR... => POLICY`; what is not selected by is left as it is zero. */
struct rule {
    enum role role; /* ROLE_UNKNOWN: any */
    bool by_peer;
    struct cidr peer;
    uint16_t port, to_port; /* the service's, both included; 0: any */
    const char *program;    /* a glob(7) of program_len bytes, or NULL */
    size_t program_len;
    struct split split;
};

struct rules {
    struct rule all[RULES_MAX];
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

/** Parses `A` or `A@W|B@W...`, value[len]; new policies are added to *policies. */
bool rules_parse_split(const char *value, size_t len, struct policies *policies,
                       struct split *split, struct refusal *refusal);

/** Parses NOTIMEWAIT_RULES; program globs then point into `value`. */
bool rules_parse(const char *value, struct policies *policies, struct rules *rules,
                 struct refusal *refusal);

/** Drops the rules for other programs: what is left needs no name. */
void rules_for_program(struct rules *rules, const char *program);

/** Whether a rule looks at addresses, so that they have to be known before the choice. */
bool rules_need_address(const struct rules *rules);

/** What is known of a connection that is about to be born. */
struct newborn {
    enum role role;
    union address local, peer;
};

/** The split of the first rule that matches, or `otherwise`. */
const struct split *rules_find(const struct rules *rules, const struct newborn *newborn,
                               const struct split *otherwise);

/** An arm of the split, by a random number. */
const struct policy *rules_draw(const struct split *split, uint64_t random);

#endif
