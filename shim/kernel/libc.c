#include "kernel/libc.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Until it is resolved, each pointer leads to a first_<name>() that resolves it and goes on. A
 * hook may run before our constructor: another library's constructor or an IRELATIVE resolver.
 */
#define HOOK(type, name, parameters, arguments) static type first_##name parameters;
#include "hooks/entry_points.def"

struct next next = {
#define HOOK(type, name, parameters, arguments) .name = first_##name,
#include "hooks/entry_points.def"
};

/** Stands in for a function that this libc does not have. */
static long missing(void)
{
    errno = ENOSYS;
    return -1;
}

/** Stores the address of `name` in the function pointer at `slot` (POSIX: dlsym, rationale). */
static void resolve(void *slot, const char *name)
{
    int saved = errno;
    void *found = dlsym(RTLD_NEXT, name);
    uintptr_t address = found ? (uintptr_t)found : (uintptr_t)missing;
    memcpy(slot, &address, sizeof(address));
    errno = saved;
}

#define HOOK(type, name, parameters, arguments)                                                \
    static type first_##name parameters                                                        \
    {                                                                                          \
        resolve(&next.name, #name);                                                            \
        return next.name arguments;                                                            \
    }
#define VARIADIC(type, name, parameters, arguments)                                            \
    static type first_##name parameters                                                        \
    {                                                                                          \
        va_list list;                                                                          \
        va_start(list, command);                                                               \
        void *argument = va_arg(list, void *);                                                 \
        va_end(list);                                                                          \
        resolve(&next.name, #name);                                                            \
        return next.name arguments;                                                            \
    }
#include "hooks/entry_points.def"

void next_resolve_one(void **slot, const char *name)
{
    resolve(slot, name);
}

/*
 * What is not there is not looked for: dlsym() would allocate its error, and a malloc() that is
 * preloaded, too, would begin before libc has its environment.
 */
void next_resolve(void)
{
#if __SIZEOF_POINTER__ == 8
#define TIME64(type, name, parameters, arguments)
#define TIME64_VARIADIC TIME64
#endif
#define HOOK(type, name, parameters, arguments) resolve(&next.name, #name);
#define JUMP(name)                              resolve(&next.name, #name);
#include "hooks/entry_points.def"
}
