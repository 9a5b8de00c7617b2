#include "launcher/elf_read.h"

#include <string.h>

uint64_t elf_number_at(const struct elf *elf, uint64_t offset, size_t size)
{
    uint16_t n16;
    uint32_t n32;
    uint64_t n64;
    if (elf->is_foreign || offset > elf->size || size > elf->size - offset)
        return 0;
    const unsigned char *at = elf->data + offset;
    switch (size) {
    case sizeof(n16):
        memcpy(&n16, at, sizeof(n16));
        return n16;
    case sizeof(n32):
        memcpy(&n32, at, sizeof(n32));
        return n32;
    default:
        memcpy(&n64, at, sizeof(n64));
        return n64;
    }
}

const char *elf_string_at(const struct elf *elf, uint64_t offset)
{
    if (offset >= elf->size || !memchr(elf->data + offset, '\0', elf->size - (size_t)offset))
        return "";
    return (const char *)elf->data + offset;
}

uint64_t elf_next_segment(const struct elf *elf, uint32_t type, uint64_t after)
{
    uint64_t header = MEMBER(elf, 0, Ehdr, e_phoff);
    for (uint64_t left = MEMBER(elf, 0, Ehdr, e_phnum); left > 0; left--) {
        if (header > after && MEMBER(elf, header, Phdr, p_type) == type)
            return header;
        header += SIZE(elf, Phdr);
    }
    return 0;
}

uint64_t elf_file_offset(const struct elf *elf, uint64_t address)
{
    for (uint64_t load = 0; (load = elf_next_segment(elf, PT_LOAD, load));) {
        uint64_t start = MEMBER(elf, load, Phdr, p_vaddr);
        if (address >= start && address - start < MEMBER(elf, load, Phdr, p_filesz))
            return MEMBER(elf, load, Phdr, p_offset) + (address - start);
    }
    return elf->size;
}
