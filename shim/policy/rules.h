/*
 * rules: which policy a connection gets.
 *
 * Owns: NOTIMEWAIT_RULES, parsed and applied. A connection's policy is chosen once, at its
 * birth. Pure: no global, no malloc, no system call.
 */
#ifndef RULES_H
#define RULES_H

#include "policy/address.h"
#include "policy/split.h"

#define RULES_MAX 256
#define GLOB_MAX  255 /* bytes, as of a file's name */

enum role { ROLE_UNKNOWN, ROLE_CLIENT, ROLE_SERVER, ROLES };

extern const char *const role_names[ROLES];

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

#endif
