#include "policy/config.h"

#include "policy/number.h"
#include "policy/slots.h"

#include <stddef.h>
#include <string.h>

/** The whole value is what is not accepted. */
static bool refuse_value(const char *value, void (*accepted)(struct text *text),
                         struct refusal *refusal)
{
    *refusal = (struct refusal){.text = value, .len = strlen(value), .accepted = accepted};
    return false;
}

static bool parse_policy(const char *value, struct config *config, struct refusal *refusal)
{
    return split_parse(value, strlen(value), &config->policies, &config->split, refusal);
}

static bool parse_rules(const char *value, struct config *config, struct refusal *refusal)
{
    return rules_parse(value, &config->policies, &config->rules, refusal);
}

static void accepted_linger(struct text *text)
{
    text_str(text, "respect, override");
}

static bool parse_linger(const char *value, struct config *config, struct refusal *refusal)
{
    config->override_app_linger = text_is(value, "override");
    if (config->override_app_linger || text_is(value, "respect"))
        return true;
    return refuse_value(value, accepted_linger, refusal);
}

static void accepted_recycle(struct text *text)
{
    text_str(text, "auto, off");
}

static bool parse_recycle(const char *value, struct config *config, struct refusal *refusal)
{
    config->no_recycling = text_is(value, "off");
    if (config->no_recycling || text_is(value, "auto"))
        return true;
    return refuse_value(value, accepted_recycle, refusal);
}

static void accepted_deepbind(struct text *text)
{
    text_str(text, "keep, drop");
}

static bool parse_deepbind(const char *value, struct config *config, struct refusal *refusal)
{
    config->drop_deepbind = text_is(value, "drop");
    if (config->drop_deepbind || text_is(value, "keep"))
        return true;
    return refuse_value(value, accepted_deepbind, refusal);
}

static void accepted_seed(struct text *text)
{
    text_str(text, "0-18446744073709551615");
}

static bool parse_seed(const char *value, struct config *config, struct refusal *refusal)
{
    config->seeded = number_parse(value, strlen(value), 0, UINT64_MAX, &config->seed);
    return config->seeded || refuse_value(value, accepted_seed, refusal);
}

static void accepted_reaper(struct text *text)
{
    text_str(text, "what notimewait --reap sets");
}

static bool parse_reaper(const char *value, struct config *config, struct refusal *refusal)
{
    config->reaper = value;
    return text_behind(value, "/proc/") || refuse_value(value, accepted_reaper, refusal);
}

static void accepted_supervisor(struct text *text)
{
    text_str(text, "what notimewait --by supervise sets");
}

static bool parse_supervisor(const char *value, struct config *config, struct refusal *refusal)
{
    uint64_t pid;
    config->supervised = number_parse(value, strlen(value), 1, INT32_MAX, &pid);
    return config->supervised || refuse_value(value, accepted_supervisor, refusal);
}

static bool parse_log(const char *value, struct config *config, struct refusal *refusal)
{
    (void)refusal;
    config->log = value;
    return true;
}

static bool parse_stats(const char *value, struct config *config, struct refusal *refusal)
{
    (void)refusal;
    config->stats = value;
    return true;
}

static bool parse_board(const char *value, struct config *config, struct refusal *refusal)
{
    (void)refusal;
    config->board = value;
    return true;
}

static void accepted_split_by(struct text *text)
{
    text_str(text, "connection, process, slot:SECONDS (SECONDS 10-86400)");
}

static bool parse_split_by(const char *value, struct config *config, struct refusal *refusal)
{
    uint64_t seconds;
    config->split_by = SPLIT_BY_CONNECTION;
    if (text_is(value, "connection"))
        return true;
    config->split_by = SPLIT_BY_PROCESS;
    if (text_is(value, "process"))
        return true;
    config->split_by = SPLIT_BY_SLOT;
    const char *number = text_behind(value, "slot:");
    if (!number || !number_parse(number, strlen(number), SLOT_LEAST, SLOT_MOST, &seconds))
        return refuse_value(value, accepted_split_by, refusal);
    config->slot_seconds = (uint32_t)seconds;
    return true;
}

/** Every variable, once. */
static const struct variable {
    const char *name;
    bool (*parse)(const char *value, struct config *config, struct refusal *refusal);
    const char *preset; /* what is in force where it is not set */
} variables[] = {
    {"NOTIMEWAIT_POLICY", parse_policy, "auto"},
    {"NOTIMEWAIT_RULES", parse_rules, "none"},
    {"NOTIMEWAIT_LINGER", parse_linger, "respect"},
    {"NOTIMEWAIT_RECYCLE", parse_recycle, "auto"},
    {"NOTIMEWAIT_DEEPBIND", parse_deepbind, "keep"},
    {"NOTIMEWAIT_REAPER", parse_reaper, "none"},
    {"NOTIMEWAIT_SUPERVISOR", parse_supervisor, "none"},
    {"NOTIMEWAIT_LOG", parse_log, "none"},
    {"NOTIMEWAIT_STATS", parse_stats, "none"},
    {"NOTIMEWAIT_BOARD", parse_board, "none"},
    {"NOTIMEWAIT_SPLIT", parse_split_by, "connection"},
    {"NOTIMEWAIT_SEED", parse_seed, "random"},
};

#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

static const char prefix[] = "NOTIMEWAIT_";

static void accepted_variables(struct text *text)
{
    for (size_t i = 0; i < VARIABLES; i++) {
        text_str(text, i > 0 ? ", " : "");
        text_str(text, variables[i].name);
    }
}

const char *config_variable(unsigned i, const char **preset)
{
    if (i >= VARIABLES)
        return NULL;
    *preset = variables[i].preset;
    return variables[i].name;
}

/** "libnotimewait: NAME: 'text' is not accepted; accepted: ...; no policy is in force" */
static void explain(const char *name, size_t name_len, const struct refusal *refusal,
                    char error[CONFIG_ERROR_SIZE])
{
    struct text text = text_in(error, CONFIG_ERROR_SIZE);
    text_str(&text, "libnotimewait: ");
    text_printable(&text, name, name_len, 63);
    if (refusal) {
        text_str(&text, ": '");
        text_printable(&text, refusal->text, refusal->len, 60);
        text_str(&text, "' is not accepted; accepted: ");
        refusal->accepted(&text);
    } else {
        text_str(&text, ": no such variable; accepted: ");
        accepted_variables(&text);
    }
    text_str(&text, "; no policy is in force");
}

static const struct variable *find_variable(const char *name, size_t len)
{
    for (size_t i = 0; i < VARIABLES; i++)
        if (strlen(variables[i].name) == len && memcmp(variables[i].name, name, len) == 0)
            return &variables[i];
    return NULL;
}

/** One entry of environ: true unless it is ours and bad. */
static bool parse_entry(const char *entry, struct config *config, char error[CONFIG_ERROR_SIZE])
{
    if (!text_behind(entry, prefix))
        return true;
    const char *equals = text_find(entry, '=');
    if (!equals || !equals[1])
        return true;
    size_t name_len = (size_t)(equals - entry);
    struct refusal refusal;
    const struct variable *variable = find_variable(entry, name_len);
    if (variable && variable->parse(entry + name_len + 1, config, &refusal))
        return true;
    explain(entry, name_len, variable ? &refusal : NULL, error);
    return false;
}

/** The policy where NOTIMEWAIT_POLICY does not say one. */
static void preset_policy(struct config *config, const char *policy)
{
    struct refusal unused;
    parse_policy(policy, config, &unused);
}

/** All unset. Rules that there are none of stay as they are: 40 KB that need not be touched. */
static void clear(struct config *config)
{
    size_t behind = offsetof(struct config, rules) + sizeof(config->rules);
    memset(config, 0, offsetof(struct config, rules));
    config->rules.count = 0;
    memset((char *)config + behind, 0, sizeof(*config) - behind);
}

bool config_parse(char *const environ[], struct config *config, char error[CONFIG_ERROR_SIZE])
{
    clear(config);
    for (; environ && *environ; environ++) {
        if (!parse_entry(*environ, config, error)) {
            clear(config);
            preset_policy(config, "off");
            return false;
        }
    }
    if (config->split.count == 0)
        preset_policy(config, variables[0].preset);
    return true;
}

static bool is_not_off(const struct policy *policy)
{
    return policy->kind != POLICY_OFF;
}

bool config_acts(const struct config *config)
{
    return policies_any(&config->policies, is_not_off);
}
