/*
 * fuzz: config_parse() on any environment, for libFuzzer with sanitizers (`make fuzz`).
 *
 * The input is the environment, its entries apart by newlines. Whatever it is, either the
 * result reads back as itself, or the error is one line that names the variable and all is off.
 */
#include "policy/config.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES 16

static void require(bool condition)
{
    if (!condition)
        abort();
}

/** What the record calls the policy is what NOTIMEWAIT_POLICY accepts. */
static void reads_back(const struct policy *policy)
{
    char name[64];
    struct text text = text_in(name, sizeof(name));
    struct policy again;
    policy_text(&text, policy);
    require(!text.cut && policy_parse(name, text.len, &again));
    require(again.kind == policy->kind && again.argument == policy->argument);
}

static void is_drawn_from(const struct split *split)
{
    require(split->count > 0 && split->count <= ARMS_MAX);
    for (uint64_t random = 0; random < 3; random++)
        reads_back(split_draw(split, random * UINT64_C(0x9e3779b97f4a7c15)));
}

static void makes_sense(struct config *config)
{
    struct newborn newborn = {.role = ROLE_CLIENT, .peer.in.sin_family = AF_INET};
    is_drawn_from(&config->split);
    for (unsigned i = 0; i < config->rules.count; i++)
        is_drawn_from(&config->rules.all[i].split);
    rules_for_program(&config->rules, "legacy-client");
    is_drawn_from(rules_find(&config->rules, &newborn, &config->split));
}

static void explains(const struct config *config, const char *error)
{
    static const char end[] = "; no policy is in force";
    size_t len = strnlen(error, CONFIG_ERROR_SIZE);
    require(len < CONFIG_ERROR_SIZE && !memchr(error, '\n', len));
    require(strncmp(error, "libnotimewait: NOTIMEWAIT_", 26) == 0);
    require(len > sizeof(end) && strcmp(error + len - (sizeof(end) - 1), end) == 0);
    require(strstr(error, "accepted: ") != NULL);
    require(!config_acts(config) && !config->log && config->rules.count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    char *environ[ENTRIES + 1];
    size_t entries = 0;
    require(copy != NULL);
    memcpy(copy, data, size);
    copy[size] = '\0';
    char *rest = copy;
    for (char *entry; entries < ENTRIES && (entry = strsep(&rest, "\n")) != NULL;)
        environ[entries++] = entry;
    environ[entries] = NULL;

    static struct config config;
    char error[CONFIG_ERROR_SIZE];
    if (config_parse(environ, &config, error))
        makes_sense(&config);
    else
        explains(&config, error);
    free(copy);
    return 0;
}
