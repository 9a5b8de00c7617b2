/*
 * config: runs config_parse() on the arguments, each an entry of an environment, and prints
 * what came out: `policy POLICY linger respect|override log LOG`, or the error line.
 */
#include "config.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct config config;
    char error[CONFIG_ERROR_SIZE];
    char buf[64];
    (void)argc;
    if (!config_parse(argv + 1, &config, error)) {
        printf("%s\n", error);
        return config.policy.kind == POLICY_OFF ? 2 : 3;
    }
    struct text policy = text_in(buf, sizeof(buf));
    policy_text(&policy, &config.policy);
    printf("policy %s linger %s log %s\n", buf,
           config.override_app_linger ? "override" : "respect",
           config.log ? config.log : "none");
    return 0;
}
