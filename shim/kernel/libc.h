/*
 * libc: `next`, the libc functions that the program would have called without us.
 *
 * Owns: finding them (dlsym(RTLD_NEXT)), once, also when a hook is called before our
 * constructor. Does not own: anything about connections.
 */
#ifndef LIBC_H
#define LIBC_H

#include "kernel/large.h"

#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <wordexp.h>

/* Large-file names that are macros where they need no functions of their own (musl). */
#undef fcntl64
#undef freopen64
#undef preadv64v2
#undef prlimit64
#undef pwritev64v2
#undef sendfile64
#undef setrlimit64

struct next {
#define HOOK(type, name, parameters, arguments) type(*name) parameters;
#define JUMP(name)                              void *name;
#include "hooks/entry_points.def"
#define OLDER(type, name, older, newest, parameters, arguments) type(*older_##name) parameters;
#include "hooks/versions.def"
};

/** The next function of each name. Callable at any time, but for those of JUMP. */
extern struct next next __attribute__((visibility("hidden"))); /* without the GOT */

/** Resolves one of JUMP's, which a hook needs before all are. */
void next_resolve_one(void **slot, const char *name);

/**
 * Resolves all of `next`, so that no later call needs the dynamic linker and its locks, which
 * another thread may hold that waits for this one (a constructor under dlopen(), the parent of
 * a _Fork()). Each costs 850 instructions at the start of every process. errno is not
 * preserved.
 */
void next_resolve(void);

/**
 * Stores libc's own function of that name, or NULL, in the pointer at `slot`: at start, the
 * name alone may lead to a sanitizer's in the program, which has not begun (-static-libtsan).
 */
void next_own(void *slot, const char *name);

/** Whether that is the address of a function of libc's, where that can be told (glibc 2.35). */
bool next_is_libcs(uintptr_t address);

/** A name that we offer and this libc lacks, being older than the one we were built for; NULL.
 */
const char *next_lacks(void);

#endif
