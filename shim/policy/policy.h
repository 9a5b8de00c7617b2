/*
 * policy: what a close does, decided.
 *
 * Owns: the policies, their rules and the names of actions and reasons (policy.def).
 * Pure: no system call, no global that changes, no fd.
 */
#ifndef POLICY_H
#define POLICY_H

#include "policy/text.h"

#include <stdbool.h>
#include <stdint.h>

enum policy_kind {
#define POLICY(id, ...) POLICY_##id,
#include "policy/policy.def"
#undef POLICY
    POLICY_KINDS
};

enum tcp_state {
#define STATE(id, number) STATE_##id = (number),
#include "policy/policy.def"
#undef STATE
    STATES
};

enum action {
#define ACTION(id, ...) ACTION_##id,
#include "policy/policy.def"
#undef ACTION
    ACTIONS
};

enum reason {
#define REASON(id, ...) REASON_##id,
#include "policy/policy.def"
#undef REASON
    REASONS
};

/** The application's last operation on the connection. */
enum last_op { LAST_NONE, LAST_READ, LAST_EOF, LAST_WRITE, LAST_UNKNOWN, LAST_OPS };

struct policy {
    enum policy_kind kind;
    uint32_t argument; /* ms for drain, drain-eof, delay; s for linger */
};

/** What is known of one policy (policy.def). */
struct policy_kind_info {
    const char *name;
    const char *unit;
    uint32_t least, most, preset;
    bool armed, asks;
};

/** policy_kind_info.preset of a policy whose argument may not be left out. */
#define NEEDED UINT32_MAX

extern const struct policy_kind_info policy_kinds[POLICY_KINDS];
extern const char *const state_names[STATES];
extern const char *const action_names[ACTIONS];
extern const char *const reason_names[REASONS];
extern const char *const last_op_names[LAST_OPS];

/** What is known of a connection when it is about to be closed. */
struct facts {
    enum tcp_state state; /* tcpi_state */
    enum last_op last;    /* LAST_UNKNOWN is resolved before a decision */
    bool unacked;         /* data, or our FIN, that the peer has not acknowledged */
    bool discarded;       /* policy_prepare()'s step discarded unread input */
    bool unread;          /* and there may be more of it */
    bool sole;            /* this process holds the socket, alone and by one fd */
    bool app_linger;      /* the application set a linger, and it is respected */
    bool stdio_output;    /* the stream over the fd holds output that is not written yet */
    bool waited;          /* a while has passed since all this was asked */
};

/** What has to happen before the decision. */
enum prepare {
    PREPARE_NONE,
    PREPARE_DISCARD, /* discard unread input, never waiting */
    PREPARE_DRAIN,   /* discard input until ours is acknowledged, at most policy.argument ms */
    PREPARE_DRAIN_EOF, /* and until the peer's EOF */
    PREPARE_SLEEP,     /* policy.argument ms */
};

struct decision {
    enum action action;
    enum reason reason;
};

/** Whether close() can send RST in this state (tcp_need_reset() in net/ipv4/tcp.c). */
bool policy_state_resets(enum tcp_state state);

/** What to do before policy_decide(); the facts are then brought up to date. */
enum prepare policy_prepare(const struct policy *policy, const struct facts *facts);

/** The lever for this close, and why. */
struct decision policy_decide(const struct policy *policy, const struct facts *facts);

/** Parses "drain:200", value[len]; a left-out argument gets its preset. */
bool policy_parse(const char *value, size_t len, struct policy *policy);

/** "off, auto, ..., drain[:MS], ... (MS 0-60000, S 1-3600)" */
void policy_accepted(struct text *text);

/** The policy as it is parsed: "drain:200". */
void policy_text(struct text *text, const struct policy *policy);

#endif
