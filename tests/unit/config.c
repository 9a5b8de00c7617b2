/*
 * config: runs config_parse() on the arguments, each an entry of an environment, and prints
 * what came out, or the error line (status 2).
 *
 *   config ENTRY...                        the configuration
 *   config --choose ROLE LOCAL PEER PROGRAM DRAWS ENTRY...
 *                                          the policies of DRAWS such connections, counted
 */
#include "policy/config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_split(const struct split *split)
{
    for (unsigned i = 0; i < split->count; i++) {
        char buf[64];
        struct text text = text_in(buf, sizeof(buf));
        policy_text(&text, split->arms[i].policy);
        printf("%s%s@%u", i > 0 ? "|" : "", buf, split->arms[i].weight);
    }
}

static void print_config(const struct config *config)
{
    printf("policy ");
    print_split(&config->split);
    printf(" linger %s log %s stats %s seed ",
           config->override_app_linger ? "override" : "respect",
           config->log ? config->log : "none", config->stats ? config->stats : "none");
    if (config->seeded)
        printf("%llu", (unsigned long long)config->seed);
    else
        printf("none");
    printf(" rules %u recycle %s\n", config->rules.count,
           config->no_recycling ? "off" : "auto");
}

/** "127.0.0.1 80" or "::1 80" */
static union address address(const char *s)
{
    union address addr = {.any.sa_family = AF_UNSPEC};
    char host[64] = "";
    size_t len = strcspn(s, " ");
    memcpy(host, s, len < sizeof(host) ? len : 0);
    if (inet_pton(AF_INET, host, &addr.in.sin_addr) == 1)
        addr.any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, host, &addr.in6.sin6_addr) == 1)
        addr.any.sa_family = AF_INET6;
    addr.in.sin_port = htons((uint16_t)strtoul(s + len, NULL, 10));
    return addr;
}

static void choose(struct config *config, char **argv)
{
    struct newborn newborn = {.local = address(argv[1]), .peer = address(argv[2])};
    unsigned counts[POLICIES_MAX] = {0};
    for (int role = 0; role < ROLES; role++)
        if (strcmp(role_names[role], argv[0]) == 0)
            newborn.role = (enum role)role;
    rules_for_program(&config->rules, argv[3]);
    const struct split *split = rules_find(&config->rules, &newborn, &config->split);
    for (long i = strtol(argv[4], NULL, 10); i > 0; i--)
        counts[split_draw(split, (uint64_t)i) - config->policies.all]++;
    for (unsigned i = 0; i < config->policies.count; i++) {
        char buf[64];
        struct text text = text_in(buf, sizeof(buf));
        policy_text(&text, &config->policies.all[i]);
        if (counts[i] > 0)
            printf("%s %u\n", buf, counts[i]);
    }
}

int main(int argc, char **argv)
{
    static struct config config;
    char error[CONFIG_ERROR_SIZE];
    bool chooses = argc > 6 && strcmp(argv[1], "--choose") == 0;
    if (!config_parse(argv + (chooses ? 7 : 1), &config, error)) {
        printf("%s\n", error);
        return config_acts(&config) ? 3 : 2;
    }
    if (chooses)
        choose(&config, argv + 2);
    else
        print_config(&config);
    return 0;
}
