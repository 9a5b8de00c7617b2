/*
 * hooks: hook_close() is what the program reaches as close(), and so on for every entry point.
 */
#ifndef HOOKS_H
#define HOOKS_H

#include "kernel/libc.h"

#define HOOK(type, name, parameters, arguments)                                                \
    type hook_##name parameters __asm__(#name) __attribute__((visibility("default")));
#define ALIAS(type, alias, name, parameters, arguments) HOOK(type, alias, parameters, arguments)
#include "hooks/entry_points.def"

#endif
