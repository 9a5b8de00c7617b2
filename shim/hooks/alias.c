/*
 * hooks_alias: other public names of hooked functions (hooks.def).
 */
#include "kernel/libc.h"

#define ALIAS(type, alias, name, parameters, arguments)                                        \
    type hook_##alias parameters                                                               \
    {                                                                                          \
        return hook_##name arguments;                                                          \
    }
#include "hooks/entry_points.def"
