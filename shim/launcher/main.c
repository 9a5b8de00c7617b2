/*
 * notimewait: runs a program under libnotimewait, compares policies, says what can work.
 *
 * Owns: which sub-command is meant.
 */
#include "launcher/commands.h"
#include "launcher/options.h"

#include <stddef.h>
#include <string.h>

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*main)(int argc, char **argv);
    } commands[] = {
#define COMMAND(name, ...) {#name, name##_main},
#include "launcher/commands.def"
#undef COMMAND
    };
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return options_stdout_status(commands[i].main(argc - 1, argv + 1));
    return run_main(argc, argv);
}
