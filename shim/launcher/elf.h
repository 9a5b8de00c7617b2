/*
 * elf: reads ELF files (elf(5)) of both classes and of this machine's byte order.
 */
#ifndef ELF_FILE_H
#define ELF_FILE_H

#include "launcher/elf_read.h"

enum libc { LIBC_UNKNOWN, LIBC_GLIBC, LIBC_MUSL, LIBC_UCLIBC, LIBC_BIONIC, LIBCS };

extern const char *const libc_names[LIBCS];

/** Maps any file; false with errno. */
bool elf_open(const char *path, struct elf *elf);
void elf_close(struct elf *elf);

/** "64-bit x86-64", "32-bit machine 8" (e_machine); static until the next call. */
const char *elf_machine(const struct elf *elf);

/** Its loader's path (PT_INTERP), or NULL where it has none: statically linked. */
const char *elf_loader(const struct elf *elf);

/** The libc of the loader at this path. */
enum libc elf_loader_libc(const char *loader);

/** The libc among the libraries that it needs (DT_NEEDED). */
enum libc elf_needed_libc(const struct elf *elf);

/** The sanitizer's runtime among them that only works where it is loaded first, or "". */
const char *elf_needed_runtime(const struct elf *elf);

/** Whether the Go toolchain built it: such programs make system calls by themselves. */
bool elf_is_go(const struct elf *elf);

/** The next name of DT_NEEDED, from *at on (0 at the beginning), which is moved behind it; ""
 * at the end. */
const char *elf_next_needed(const struct elf *elf, uint64_t *at);

/** DT_RUNPATH, or DT_RPATH, or "". */
const char *elf_library_path(const struct elf *elf);

/** It needs a function of this name from elsewhere (.dynsym, which strip(1) leaves). */
bool elf_imports(const struct elf *elf, const char *name);

/** The text lies somewhere in the file. */
bool elf_contains(const struct elf *elf, const char *text);

/** A string of the file that begins with '/', from *at on, which is moved behind it; NULL at
 * the end. */
const char *elf_next_path(const struct elf *elf, size_t *at);

/** A string of the file that could be a library's name or path, as next_path. */
const char *elf_next_library(const struct elf *elf, size_t *at);

/** It calls dlopen() with RTLD_DEEPBIND, as far as its code shows that. */
bool elf_binds_deeply(const struct elf *elf);

/** It calls dlopen(), and its code is not read for that: it is of another machine than a 64-bit
 * PC's or ARM's. */
bool elf_hides_flags(const struct elf *elf);

/** It calls sigaction(), and SA_RESTART is not seen in its code (PCs; elsewhere it is not
 * read, and this is false). */
bool elf_omits_restart(const struct elf *elf);

#endif
