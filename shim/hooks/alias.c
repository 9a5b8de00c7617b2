/*
 * alias: other public names of hooked functions (entry_points.def).
 */
#include "hooks/hooks.h"

#define ALIAS(type, alias, name, parameters, arguments)                                        \
    type hook_##alias parameters                                                               \
    {                                                                                          \
        return hook_##name arguments;                                                          \
    }
#include "hooks/entry_points.def"
