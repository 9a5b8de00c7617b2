#include "policy/policy.h"

#include "policy/number.h"

#include <string.h>

const struct policy_kind_info policy_kinds[POLICY_KINDS] = {
#define POLICY(id, ...) [POLICY_##id] = {__VA_ARGS__},
#include "policy/policy.def"
#undef POLICY
};

const char *const state_names[STATES] = {
#define STATE(id, number) [STATE_##id] = #id,
#include "policy/policy.def"
#undef STATE
};

const char *const action_names[ACTIONS] = {
#define ACTION(id, name) [ACTION_##id] = name,
#include "policy/policy.def"
#undef ACTION
};

const char *const reason_names[REASONS] = {
#define REASON(id, name, meaning) [REASON_##id] = name,
#include "policy/policy.def"
#undef REASON
};

const char *const last_op_names[LAST_OPS] = {
    [LAST_NONE] = "none",   [LAST_READ] = "read",       [LAST_EOF] = "eof",
    [LAST_WRITE] = "write", [LAST_UNKNOWN] = "unknown",
};

bool policy_state_resets(enum tcp_state state)
{
    switch (state) {
    case STATE_SYN_RECV:
    case STATE_ESTABLISHED:
    case STATE_FIN_WAIT1:
    case STATE_FIN_WAIT2:
    case STATE_CLOSE_WAIT:
        return true;
    default:
        return false;
    }
}

enum prepare policy_prepare(const struct policy *policy, const struct facts *facts)
{
    if (!facts->sole || facts->stdio_output || facts->app_linger)
        return PREPARE_NONE;
    if (policy->kind == POLICY_FIN_RST)
        return PREPARE_DISCARD; /* in every state: unread input would make the kernel reset */
    if (!policy_state_resets(facts->state))
        return PREPARE_NONE;
    switch (policy->kind) {
    case POLICY_DRAIN:
        return PREPARE_DRAIN;
    case POLICY_DRAIN_EOF:
        return PREPARE_DRAIN_EOF;
    case POLICY_DELAY:
        return PREPARE_SLEEP;
    default:
        return PREPARE_NONE;
    }
}

static struct decision decision(enum action action, enum reason reason)
{
    return (struct decision){.action = action, .reason = reason};
}

/** FIN first, RST once it is acknowledged: what the kernel does by itself. */
static struct decision decide_fin_rst(const struct facts *facts)
{
    if (facts->unread)
        return decision(ACTION_FIN_RST, REASON_UNREAD);
    if (facts->discarded)
        return decision(ACTION_FIN_RST, REASON_DISCARDED);
    if (facts->state == STATE_CLOSE_WAIT)
        return decision(ACTION_FIN_RST, REASON_PASSIVE_CLOSE);
    return decision(ACTION_FIN_RST, REASON_ARMED);
}

static struct decision decide_last_read(const struct facts *facts)
{
    if (facts->last != LAST_READ && facts->last != LAST_EOF)
        return decision(ACTION_NONE, REASON_NOT_READ_LAST);
    if (facts->unacked)
        return decision(ACTION_NONE, REASON_UNACKED);
    return decision(ACTION_RST, facts->last == LAST_EOF ? REASON_EOF_LAST : REASON_READ_LAST);
}

static struct decision decide_drain(const struct facts *facts, bool to_eof)
{
    if (facts->unacked || (to_eof && facts->state != STATE_CLOSE_WAIT))
        return decision(ACTION_NONE, REASON_DRAIN_TIMEOUT);
    return decision(ACTION_RST, to_eof ? REASON_PEER_EOF : REASON_DRAINED);
}

/** What the policy does with a connection that is this process's alone. */
static struct decision decide_sole(const struct policy *policy, const struct facts *facts)
{
    switch (policy->kind) {
    case POLICY_LAST_READ:
        return decide_last_read(facts);
    case POLICY_DRAIN:
        return decide_drain(facts, false);
    case POLICY_DRAIN_EOF:
        return decide_drain(facts, true);
    case POLICY_ABORT:
        return decision(ACTION_RST, REASON_ABORT);
    case POLICY_DELAY:
        return decision(ACTION_RST, REASON_DELAYED);
    case POLICY_LINGER:
        return decision(ACTION_LINGER, REASON_LINGER);
    default:
        return decide_fin_rst(facts);
    }
}

/**
 * What the policy does where others may hold the socket, or stdio has output for it: at most
 * fin-rst, which loses nothing of what others still have to say (fact 9).
 */
static struct decision decide_held(const struct policy *policy, const struct facts *facts)
{
    enum reason reason = facts->sole ? REASON_STDIO_OUTPUT : REASON_SHARED;
    if (policy->kind == POLICY_FIN_RST)
        return decision(ACTION_FIN_RST, reason);
    if (policy->kind == POLICY_LAST_READ) {
        struct decision alone = decide_last_read(facts);
        if (alone.action == ACTION_NONE)
            return alone;
    }
    return decision(ACTION_NONE, reason);
}

static struct decision decide_reap(const struct facts *facts)
{
    return decision(ACTION_NONE,
                    facts->state == STATE_CLOSE_WAIT ? REASON_PASSIVE_CLOSE : REASON_REAP);
}

struct decision policy_decide(const struct policy *policy, const struct facts *facts)
{
    if (policy->kind == POLICY_OFF)
        return decision(ACTION_NONE, REASON_OFF);
    if (facts->app_linger)
        return decision(ACTION_NONE, REASON_APP_LINGER);
    if (policy->kind == POLICY_AUTO)
        return decision(ACTION_NONE, REASON_PLAIN);
    if (!policy_state_resets(facts->state))
        return decision(ACTION_NONE, REASON_STATE);
    if (policy->kind == POLICY_REAP)
        return decide_reap(facts); /* for any holder: no lever is pulled */
    if (!facts->sole || facts->stdio_output)
        return decide_held(policy, facts);
    return decide_sole(policy, facts);
}

void policy_text(struct text *text, const struct policy *policy)
{
    const struct policy_kind_info *info = &policy_kinds[policy->kind];
    text_str(text, info->name);
    if (info->unit[0]) {
        text_char(text, ':');
        text_number(text, policy->argument, 1);
    }
}

/** The argument behind the colon at value[0], or its preset where there is none. */
static bool parse_argument(const char *value, size_t len, const struct policy_kind_info *info,
                           uint32_t *argument)
{
    *argument = info->preset;
    if (len == 0)
        return info->preset != NEEDED;
    uint64_t number;
    if (!info->unit[0] || !number_parse(value + 1, len - 1, info->least, info->most, &number))
        return false;
    *argument = (uint32_t)number;
    return true;
}

bool policy_parse(const char *value, size_t len, struct policy *policy)
{
    const char *colon = memchr(value, ':', len);
    size_t name_len = colon ? (size_t)(colon - value) : len;
    for (int kind = 0; kind < POLICY_KINDS; kind++) {
        const struct policy_kind_info *info = &policy_kinds[kind];
        if (strlen(info->name) == name_len && memcmp(info->name, value, name_len) == 0) {
            policy->kind = (enum policy_kind)kind;
            return parse_argument(value + name_len, len - name_len, info, &policy->argument);
        }
    }
    return false;
}

static void accepted_range(struct text *text, const struct policy_kind_info *info)
{
    text_str(text, info->unit);
    text_char(text, ' ');
    text_number(text, info->least, 1);
    text_char(text, '-');
    text_number(text, info->most, 1);
}

void policy_accepted(struct text *text)
{
    for (int kind = 0; kind < POLICY_KINDS; kind++) {
        const struct policy_kind_info *info = &policy_kinds[kind];
        text_str(text, kind > 0 ? ", " : "");
        text_str(text, info->name);
        if (!info->unit[0])
            continue;
        text_str(text, info->preset == NEEDED ? ":" : "[:");
        text_str(text, info->unit);
        text_str(text, info->preset == NEEDED ? "" : "]");
    }
    text_str(text, " (");
    accepted_range(text, &policy_kinds[POLICY_DRAIN]);
    text_str(text, ", ");
    accepted_range(text, &policy_kinds[POLICY_LINGER]);
    text_str(text, ")");
}
