/*
 * elf: reads ELF files (elf(5)) of both classes and of this machine's byte order.
 */
#ifndef ELF_FILE_H
#define ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A file, mapped. */
struct elf {
    const unsigned char *data;
    size_t size;
    bool is_elf;     /* the fields below hold */
    bool is_64;      /* its class */
    bool is_foreign; /* it has the other byte order, so nothing more can be read */
    uint16_t machine;
};

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

#endif
