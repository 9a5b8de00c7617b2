#include "launcher/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool environment_configuration(struct config *config)
{
    char error[CONFIG_ERROR_SIZE];
    if (config_parse(environ, config, error))
        return true;
    fprintf(stderr, "%s\n", error);
    return false;
}

void environment_set(const char *variable, const char *value)
{
    unsetenv(variable); /* setenv() alone replaces only the first of that name */
    if (setenv(variable, value, true) != 0)
        abort(); /* out of memory */
}

void environment_prepend(const char *variable, const char *first)
{
    const char *others = getenv(variable);
    char *value;
    if (asprintf(&value, "%s%s%s", first, others && *others ? ":" : "", others ? others : "") <
        0)
        abort();
    environment_set(variable, value);
    free(value);
}
