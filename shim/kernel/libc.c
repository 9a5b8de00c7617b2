#include "kernel/libc.h"

#include "libc-names.h" /* made by hooks/exports */

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

#ifndef __GLIBC__
/* For 32 bits musl calls it by another name, which looks for functions with a 64-bit time_t. */
void *plain_dlsym(void *restrict handle, const char *restrict name) __asm__("dlsym");
#define dlsym plain_dlsym
#endif

/*
 * Until it is resolved, each pointer leads to a first_<name>() that resolves it and goes on. A
 * hook may run before our constructor: another library's constructor or an IRELATIVE resolver.
 */
#define HOOK(type, name, parameters, arguments) static type first_##name parameters;
#include "hooks/entry_points.def"
#define OLDER(type, name, older, newest, parameters, arguments)                                \
    static type first_older_##name parameters;
#include "hooks/versions.def"

struct next next = {
#define HOOK(type, name, parameters, arguments) .name = first_##name,
#include "hooks/entry_points.def"
#define OLDER(type, name, older, newest, parameters, arguments)                                \
    .older_##name = first_older_##name,
#include "hooks/versions.def"
};

/** Stands in for a function that this libc does not have. */
static long missing(void)
{
    errno = ENOSYS;
    return -1;
}

static const char *lacking;

const char *next_lacks(void)
{
    return lacking;
}

/** Stores the address of a function, or `missing`, in the pointer at `slot` (POSIX: dlsym). */
static void *store(void *slot, void *found)
{
    uintptr_t address = found ? (uintptr_t)found : (uintptr_t)missing;
    memcpy(slot, &address, sizeof(address));
    return found;
}

/* The linker's: where this object begins and ends. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

static bool is_ours(const void *found)
{
    return (uintptr_t)found >= (uintptr_t)__ehdr_start && (uintptr_t)found < (uintptr_t)_end;
}

/** libc's dlsym(), or the program's where there is none of a version. */
static void *(*libc_dlsym(void))(void *, const char *)
{
#ifdef __GLIBC__
    /* The first of each machine (shlib-versions), and libc's since libdl is part of it. */
    static const char *const versions[] = {"GLIBC_2.34",  "GLIBC_2.17", "GLIBC_2.4",
                                           "GLIBC_2.2.5", "GLIBC_2.2",  "GLIBC_2.0"};
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        void *(*function)(void *, const char *);
        void *found = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
        memcpy(&function, &found, sizeof(found));
        if (found)
            return function;
    }
#endif
    return dlsym;
}

/**
 * The next after us. A program, or a library that is preloaded before us, may have a dlsym() of
 * its own, which looks from where it is itself, and finds us.
 */
static void *find(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    return is_ours(found) ? libc_dlsym()(RTLD_NEXT, name) : found;
}

static void find_for(void *slot, const char *name)
{
    if (!store(slot, find(name)))
        lacking = name;
}

static void resolve(void *slot, const char *name)
{
    int saved = errno;
    find_for(slot, name);
    errno = saved;
}

#ifdef __GLIBC__
/* Not called where the machine's glibc has no name in two versions. */
__attribute__((unused)) static void resolve_older(void *slot, const char *name,
                                                  const char *version)
{
    int saved = errno;
    store(slot, dlvsym(RTLD_NEXT, name, version));
    errno = saved;
}
#endif

#define FIRST(type, name, parameters, arguments, found)                                        \
    static type first_##name parameters                                                        \
    {                                                                                          \
        found;                                                                                 \
        return next.name arguments;                                                            \
    }
#define FIRST_VARIADIC(type, name, parameters, arguments, found)                               \
    static type first_##name parameters                                                        \
    {                                                                                          \
        va_list list;                                                                          \
        va_start(list, command);                                                               \
        void *argument = va_arg(list, void *);                                                 \
        va_end(list);                                                                          \
        found;                                                                                 \
        return next.name arguments;                                                            \
    }

#define HOOK(type, name, parameters, arguments)                                                \
    FIRST(type, name, parameters, arguments, resolve(&next.name, #name))
#define VARIADIC(type, name, parameters, arguments)                                            \
    FIRST_VARIADIC(type, name, parameters, arguments, resolve(&next.name, #name))
#include "hooks/entry_points.def"

#define OLDER(type, name, older, newest, parameters, arguments)                                \
    FIRST(type, older_##name, parameters, arguments,                                           \
          resolve_older(&next.older_##name, #name, older))
#define OLDER_VARIADIC(type, name, older, newest, parameters, arguments)                       \
    FIRST_VARIADIC(type, older_##name, parameters, arguments,                                  \
                   resolve_older(&next.older_##name, #name, older))
#include "hooks/versions.def"

void next_own(void *slot, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(slot, &found, sizeof(found));
}

#ifdef DLFO_STRUCT_HAS_EH_DBASE /* glibc 2.35 */
bool next_is_libcs(uintptr_t address)
{
    struct dl_find_object its, libcs;
    __typeof__(_dl_find_object) *look; /* not by its name, which an older libc would refuse */
    next_own(&look, "_dl_find_object");
    uintptr_t of_libc = (uintptr_t)getauxval; /* which nobody else has */
    if (!look || look((void *)of_libc, &libcs) != 0)
        return true;
    return look((void *)address, &its) == 0 && its.dlfo_link_map == libcs.dlfo_link_map;
}
#else
bool next_is_libcs(uintptr_t address)
{
    (void)address;
    return true;
}
#endif

void next_resolve_one(void **slot, const char *name)
{
    resolve(slot, name);
}

/*
 * What this libc did not have when we were built is not looked for: dlsym() would allocate its
 * error, and a malloc() that is preloaded, too, would begin before libc has its environment.
 */
void next_resolve(void)
{
#define HOOK(type, name, parameters, arguments)                                                \
    LIBC_HAS_##name ? find_for(&next.name, #name) : (void)store(&next.name, NULL);
#define JUMP(name) HOOK(, name, , )
#include "hooks/entry_points.def"
#define OLDER(type, name, older, newest, parameters, arguments)                                \
    resolve_older(&next.older_##name, #name, older);
#include "hooks/versions.def"
}
