#include "config.h"

#include <string.h>

/** Digits only, least <= number <= most, nothing after it. */
static bool parse_number(const char *s, uint64_t least, uint64_t most, uint64_t *number)
{
    uint64_t n = 0;
    if (!*s)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        uint64_t digit = (uint64_t)(*s - '0');
        if (n > (most - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *number = n;
    return n >= least;
}

/** The argument of a policy, at its colon, or "" where there is none. */
static bool parse_argument(const char *colon, const struct policy_kind_info *info,
                           uint32_t *argument)
{
    *argument = info->preset;
    if (!*colon)
        return info->preset != NEEDED;
    uint64_t number;
    if (!info->unit[0] || !parse_number(colon + 1, info->least, info->most, &number))
        return false;
    *argument = (uint32_t)number;
    return true;
}

bool config_policy(const char *value, struct policy *policy)
{
    size_t len = strcspn(value, ":");
    for (int kind = 0; kind < POLICY_KINDS; kind++) {
        const struct policy_kind_info *info = &policy_kinds[kind];
        if (strlen(info->name) == len && memcmp(info->name, value, len) == 0) {
            policy->kind = (enum policy_kind)kind;
            return parse_argument(value + len, info, &policy->argument);
        }
    }
    return false;
}

/** "off, auto, ..., drain[:MS], ... (MS 0-60000, S 1-3600)" */
static void accepted_policies(struct text *text)
{
    const struct policy_kind_info *ms = &policy_kinds[POLICY_DRAIN];
    const struct policy_kind_info *s = &policy_kinds[POLICY_LINGER];
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
    text_str(text, " (MS ");
    text_number(text, ms->least, 1);
    text_char(text, '-');
    text_number(text, ms->most, 1);
    text_str(text, ", S ");
    text_number(text, s->least, 1);
    text_char(text, '-');
    text_number(text, s->most, 1);
    text_char(text, ')');
}

static bool parse_policy(const char *value, struct config *config)
{
    return config_policy(value, &config->policy);
}

static bool parse_linger(const char *value, struct config *config)
{
    config->override_app_linger = strcmp(value, "override") == 0;
    return config->override_app_linger || strcmp(value, "respect") == 0;
}

static void accepted_linger(struct text *text)
{
    text_str(text, "respect, override");
}

static bool parse_log(const char *value, struct config *config)
{
    config->log = value;
    return true;
}

static void accepted_log(struct text *text)
{
    text_str(text, "stderr, or a file (%p: the pid)");
}

/** Every variable, once. */
static const struct variable {
    const char *name;
    bool (*parse)(const char *value, struct config *config);
    void (*accepted)(struct text *text);
} variables[] = {
    {"NOTIMEWAIT_POLICY", parse_policy, accepted_policies},
    {"NOTIMEWAIT_LINGER", parse_linger, accepted_linger},
    {"NOTIMEWAIT_LOG", parse_log, accepted_log},
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

/** "libnotimewait: NAME: 'value' is not accepted; accepted: ...; every policy is off" */
static void explain(const char *entry, size_t name_len, const struct variable *variable,
                    char error[CONFIG_ERROR_SIZE])
{
    struct text text = text_in(error, CONFIG_ERROR_SIZE);
    char name[64];
    struct text short_name = text_in(name, sizeof(name));
    for (size_t i = 0; i < name_len; i++)
        text_char(&short_name, entry[i]);
    text_str(&text, "libnotimewait: ");
    text_printable(&text, name, sizeof(name));
    if (variable) {
        text_str(&text, ": '");
        text_printable(&text, entry + name_len + 1, 60);
        text_str(&text, "' is not accepted; accepted: ");
        variable->accepted(&text);
    } else {
        text_str(&text, ": no such variable; accepted: ");
        accepted_variables(&text);
    }
    text_str(&text, "; every policy is off");
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
    if (strncmp(entry, prefix, strlen(prefix)) != 0)
        return true;
    size_t name_len = strcspn(entry, "=");
    if (!entry[name_len] || !entry[name_len + 1])
        return true;
    const struct variable *variable = find_variable(entry, name_len);
    if (variable && variable->parse(entry + name_len + 1, config))
        return true;
    explain(entry, name_len, variable, error);
    return false;
}

bool config_parse(char *const environ[], struct config *config, char error[CONFIG_ERROR_SIZE])
{
    *config = (struct config){.policy = {.kind = POLICY_AUTO}};
    for (; environ && *environ; environ++) {
        if (!parse_entry(*environ, config, error)) {
            *config = (struct config){.policy = {.kind = POLICY_OFF}};
            return false;
        }
    }
    return true;
}
