/*
 * elf_read: numbers and strings of an ELF file, by their offsets.
 *
 * What lies beyond the file's end reads as 0 and "". Owns: that both classes are read alike.
 */
#ifndef ELF_READ_H
#define ELF_READ_H

#include <elf.h>
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

/** The number of 2, 4 or 8 bytes at `offset`; 0 beyond the file's end. */
uint64_t elf_number_at(const struct elf *elf, uint64_t offset, size_t size);

/** A string at `offset`, "" where it does not end in the file. */
const char *elf_string_at(const struct elf *elf, uint64_t offset);

/** Where the program header of the first segment of this type behind `after` is; 0: nowhere. */
uint64_t elf_next_segment(const struct elf *elf, uint32_t type, uint64_t after);

/** Where what is loaded at `address` is in the file. */
uint64_t elf_file_offset(const struct elf *elf, uint64_t address);

/* A member of the structure at `base`, Elf64_TYPE or Elf32_TYPE. */
#define MEMBER(elf, base, type, member)                                                        \
    ((elf)->is_64 ? elf_number_at(elf, (base) + offsetof(Elf64_##type, member),                \
                                  sizeof(((Elf64_##type *)0)->member))                         \
                  : elf_number_at(elf, (base) + offsetof(Elf32_##type, member),                \
                                  sizeof(((Elf32_##type *)0)->member)))
#define SIZE(elf, type) ((elf)->is_64 ? sizeof(Elf64_##type) : sizeof(Elf32_##type))

#endif
