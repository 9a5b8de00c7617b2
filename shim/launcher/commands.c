#include "launcher/commands.h"

#include <stddef.h>
#include <string.h>

bool commands_is_name(const char *word)
{
    static const char *const names[] = {
#define COMMAND(name, ...) #name,
#include "launcher/commands.def"
#undef COMMAND
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(word, names[i]) == 0)
            return true;
    return false;
}
