#include "policy/rules.h"

#include "policy/number.h"

#include <fnmatch.h>
#include <string.h>

const char *const role_names[ROLES] = {
    [ROLE_UNKNOWN] = "unknown",
    [ROLE_CLIENT] = "client",
    [ROLE_SERVER] = "server",
};

static void accepted_selectors(struct text *text)
{
    text_str(text, "SELECTOR... => POLICY; ... with selectors role=client|server, "
                   "peer=ADDRESS or CIDR, port=N or N-M (1-65535), program=GLOB");
}

static void accepted_once(struct text *text)
{
    text_str(text, "each of role=, peer=, port=, program= once in a rule");
}

static void accepted_rules(struct text *text)
{
    text_str(text, "at most 256 rules");
}

static bool parse_role(const char *value, size_t len, struct rule *rule)
{
    for (int role = ROLE_CLIENT; role < ROLES; role++) {
        if (strlen(role_names[role]) == len && memcmp(role_names[role], value, len) == 0) {
            rule->role = (enum role)role;
            return true;
        }
    }
    return false;
}

static bool parse_peer(const char *value, size_t len, struct rule *rule)
{
    char cidr[64];
    if (len >= sizeof(cidr))
        return false;
    memcpy(cidr, value, len);
    cidr[len] = '\0';
    rule->by_peer = true;
    return address_parse_cidr(cidr, &rule->peer);
}

static bool parse_port(const char *value, size_t len, struct rule *rule)
{
    const char *dash = memchr(value, '-', len);
    size_t first_len = dash ? (size_t)(dash - value) : len;
    uint64_t first;
    if (!number_parse(value, first_len, 1, UINT16_MAX, &first))
        return false;
    uint64_t last = first;
    if (dash && !number_parse(dash + 1, len - first_len - 1, first, UINT16_MAX, &last))
        return false;
    rule->port = (uint16_t)first;
    rule->to_port = (uint16_t)last;
    return true;
}

static bool parse_program(const char *value, size_t len, struct rule *rule)
{
    rule->program = value;
    rule->program_len = len;
    return len > 0 && len <= GLOB_MAX;
}

static const struct selector {
    const char *name; /* with its "=" */
    bool (*parse)(const char *value, size_t len, struct rule *rule);
} selectors[] = {
    {"role=", parse_role},
    {"peer=", parse_peer},
    {"port=", parse_port},
    {"program=", parse_program},
};

/** Which selector word[len] is; -1 where it is none, or its value is bad. */
static int parse_selector(const char *word, size_t len, struct rule *rule)
{
    for (size_t i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++) {
        size_t name_len = strlen(selectors[i].name);
        if (len >= name_len && memcmp(word, selectors[i].name, name_len) == 0)
            return selectors[i].parse(word + name_len, len - name_len, rule) ? (int)i : -1;
    }
    return -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/** The next word of *at[..end), apart by blanks; its length, 0 at the end. */
static size_t next_word(const char **at, const char *end)
{
    while (*at < end && is_blank(**at))
        (*at)++;
    const char *word = *at;
    while (word < end && !is_blank(*word))
        word++;
    return (size_t)(word - *at);
}

/** The "=>" in text[..end), or NULL. */
static const char *find_arrow(const char *text, const char *end)
{
    while (text < end && !text_behind(text, "=>"))
        text++;
    return text < end ? text : NULL;
}

/** "SELECTOR..." in at[..end): one at least, and each name once, as all have to match. */
static bool parse_selectors(const char *at, const char *end, struct rule *rule,
                            struct refusal *refusal)
{
    unsigned seen = 0;
    for (size_t len; (len = next_word(&at, end)) > 0; at += len) {
        int which = parse_selector(at, len, rule);
        if (which < 0)
            return not_accepted(refusal, at, len, accepted_selectors);
        if (seen & 1u << which)
            return not_accepted(refusal, at, len, accepted_once);
        seen |= 1u << which;
    }
    return seen != 0;
}

/** "SELECTOR... => POLICY" in rule_text[..end) */
static bool parse_rule(const char *rule_text, const char *end, struct policies *policies,
                       struct rule *rule, struct refusal *refusal)
{
    const char *arrow = find_arrow(rule_text, end);
    *rule = (struct rule){.role = ROLE_UNKNOWN};
    not_accepted(refusal, rule_text, (size_t)(end - rule_text), accepted_selectors);
    if (!arrow || !parse_selectors(rule_text, arrow, rule, refusal))
        return false;
    const char *at = arrow + 2;
    size_t len = next_word(&at, end);
    if (len == 0 || !split_parse(at, len, policies, &rule->split, refusal))
        return false;
    at += len;
    len = next_word(&at, end);
    return len == 0 || not_accepted(refusal, at, len, accepted_selectors);
}

bool rules_parse(const char *value, struct policies *policies, struct rules *rules,
                 struct refusal *refusal)
{
    for (const char *end; *value; value = *end ? end + 1 : end) {
        end = text_find(value, ';');
        end = end ? end : value + strlen(value);
        if (next_word(&value, end) == 0)
            continue; /* nothing between two semicolons, or after the last */
        if (rules->count == RULES_MAX)
            return not_accepted(refusal, value, (size_t)(end - value), accepted_rules);
        if (!parse_rule(value, end, policies, &rules->all[rules->count++], refusal))
            return false;
    }
    return true;
}

/** Before main the locale is "C", where fnmatch() compares bytes and needs no memory. */
static bool glob_matches(const struct rule *rule, const char *name)
{
    char glob[GLOB_MAX + 1];
    memcpy(glob, rule->program, rule->program_len);
    glob[rule->program_len] = '\0';
    return fnmatch(glob, name, 0) == 0;
}

void rules_for_program(struct rules *rules, const char *program)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->all[i];
        if (!rule->program || glob_matches(rule, program))
            rules->all[kept++] = *rule;
    }
    rules->count = kept;
}

bool rules_need_address(const struct rules *rules)
{
    for (unsigned i = 0; i < rules->count; i++)
        if (rules->all[i].by_peer || rules->all[i].port)
            return true;
    return false;
}

/** The remote port for a client, the local one for a server; 0 where it is not known. */
static uint16_t service_port(const struct newborn *newborn)
{
    switch (newborn->role) {
    case ROLE_CLIENT:
        return address_port(&newborn->peer);
    case ROLE_SERVER:
        return address_port(&newborn->local);
    default:
        return 0;
    }
}

/** What rules ask for, of one connection. */
struct traits {
    enum role role; /* ROLE_UNKNOWN */
    bool has_peer;
    uint16_t port; /* 0: not known */
    struct bits128 peer;
};

static struct traits traits_of(const struct newborn *newborn)
{
    struct traits traits = {
        .role = newborn->role,
        .has_peer = newborn->peer.any.sa_family != AF_UNSPEC,
        .port = service_port(newborn),
    };
    if (traits.has_peer)
        traits.peer = address_bits(&newborn->peer);
    return traits;
}

static bool says_off(const struct rule *rule)
{
    for (unsigned i = 0; i < rule->split.count; i++)
        if (rule->split.arms[i].policy->kind != POLICY_OFF)
            return false;
    return true;
}

/** Doubt never makes a close more abortive: where it is, only a rule that says off matches. */
static bool rule_matches(const struct rule *rule, const struct traits *traits)
{
    bool doubt = false;
    if (rule->port) {
        if (traits->port && (traits->port < rule->port || traits->port > rule->to_port))
            return false;
        doubt = !traits->port;
    }
    if (rule->by_peer) {
        if (traits->has_peer && !address_in(traits->peer, &rule->peer))
            return false;
        doubt = doubt || !traits->has_peer;
    }
    if (rule->role != ROLE_UNKNOWN) {
        if (traits->role != ROLE_UNKNOWN && traits->role != rule->role)
            return false;
        doubt = doubt || traits->role == ROLE_UNKNOWN;
    }
    return !doubt || says_off(rule);
}

const struct split *rules_find(const struct rules *rules, const struct newborn *newborn,
                               const struct split *otherwise)
{
    if (rules->count == 0)
        return otherwise;
    struct traits traits = traits_of(newborn);
    for (unsigned i = 0; i < rules->count; i++)
        if (rule_matches(&rules->all[i], &traits))
            return &rules->all[i].split;
    return otherwise;
}
