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

/* What programs that were linked with an older libc reach: hooks/versions.def. */
#define OLDER(type, name, older, newest, parameters, arguments)                                \
    type hook_older_##name parameters __asm__("older_" #name)                                  \
        __attribute__((visibility("default")));
#include "hooks/versions.def"

/** Exports hook_older_<name> as the older version of `exported`; beside its definition. */
#define EXPORT_OLDER(name, exported, older)                                                    \
    __asm__(".symver older_" #name ", " #exported "@" older);

#endif
