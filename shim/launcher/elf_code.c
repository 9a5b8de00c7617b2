/*
 * What a program's code and data show of what it calls.
 */
#include "launcher/elf.h"

#include <string.h>

/** A section of this type; 0: there is none. */
static uint64_t find_section(const struct elf *elf, uint32_t type)
{
    uint64_t header = MEMBER(elf, 0, Ehdr, e_shoff);
    uint64_t count = header ? MEMBER(elf, 0, Ehdr, e_shnum) : 0;
    for (; count > 0; count--, header += SIZE(elf, Shdr))
        if (MEMBER(elf, header, Shdr, sh_type) == type)
            return header;
    return 0;
}

/** The number of the undefined symbol of this name in .dynsym; 0: there is none. */
static uint64_t imported_symbol(const struct elf *elf, const char *name)
{
    uint64_t table = find_section(elf, SHT_DYNSYM);
    if (!table)
        return 0;
    uint64_t names =
        MEMBER(elf, 0, Ehdr, e_shoff) + MEMBER(elf, table, Shdr, sh_link) * SIZE(elf, Shdr);
    uint64_t strings = MEMBER(elf, names, Shdr, sh_offset);
    uint64_t at = MEMBER(elf, table, Shdr, sh_offset);
    uint64_t count = MEMBER(elf, table, Shdr, sh_size) / SIZE(elf, Sym);
    for (uint64_t i = 0; i < count && at < elf->size; i++, at += SIZE(elf, Sym))
        if (MEMBER(elf, at, Sym, st_shndx) == SHN_UNDEF &&
            strcmp(elf_string_at(elf, strings + MEMBER(elf, at, Sym, st_name)), name) == 0)
            return i;
    return 0;
}

bool elf_imports(const struct elf *elf, const char *name)
{
    return elf->is_elf && imported_symbol(elf, name) != 0;
}

bool elf_contains(const struct elf *elf, const char *text)
{
    return elf->data && memmem(elf->data, elf->size, text, strlen(text)) != NULL;
}

const char *elf_next_path(const struct elf *elf, size_t *at)
{
    while (*at + 2 < elf->size) {
        const unsigned char *slash = memmem(elf->data + *at, elf->size - *at, "\0/", 2);
        if (!slash)
            return NULL;
        size_t start = (size_t)(slash - elf->data) + 1;
        const char *path = elf_string_at(elf, start);
        *at = start;
        if (*path)
            return path;
        return NULL;
    }
    return NULL;
}

/** "libx.so.1" or "/usr/lib/libx.so" */
static bool is_library(const char *name)
{
    static const char suffix[] = ".so";
    const char *at = strstr(name, suffix);
    size_t len = strlen(name);
    if ((name[0] != '/' && strncmp(name, "lib", 3) != 0) || len > 200 || !at)
        return false;
    at += strlen(suffix);
    return at[strspn(at, ".0123456789")] == '\0' && !strchr(name, '%');
}

const char *elf_next_library(const struct elf *elf, size_t *at)
{
    while (*at < elf->size) {
        const unsigned char *found = memmem(elf->data + *at, elf->size - *at, ".so", 3);
        if (!found)
            return NULL;
        size_t start = (size_t)(found - elf->data);
        *at = start + 3;
        while (start > 0 && elf->data[start - 1] != '\0')
            start--;
        const char *name = elf_string_at(elf, start);
        if (is_library(name))
            return name;
    }
    return NULL;
}

/** The address of the word through which an imported function is called (its GOT entry), from
 * one relocation section on. */
static uint64_t slot_of(const struct elf *elf, uint64_t symbol)
{
    uint64_t section = MEMBER(elf, 0, Ehdr, e_shoff);
    uint64_t count = section ? MEMBER(elf, 0, Ehdr, e_shnum) : 0;
    for (; count > 0; count--, section += SIZE(elf, Shdr)) {
        if (!elf->is_64 || MEMBER(elf, section, Shdr, sh_type) != SHT_RELA)
            continue;
        uint64_t at = MEMBER(elf, section, Shdr, sh_offset);
        uint64_t end = at + MEMBER(elf, section, Shdr, sh_size);
        for (; at < end && at < elf->size; at += sizeof(Elf64_Rela))
            if (ELF64_R_SYM(elf_number_at(elf, at + offsetof(Elf64_Rela, r_info), 8)) == symbol)
                return elf_number_at(elf, at, 8);
    }
    return 0;
}

/** Where a 32-bit distance at `at` leads, the next instruction being at `address`. */
static uint64_t target_of(const struct elf *elf, uint64_t at, uint64_t address)
{
    return address + (uint64_t)(int64_t)(int32_t)elf_number_at(elf, at, 4);
}

/** Whether an x86-64 call at this offset, loaded at `address`, goes through the slot: directly
 * (call *slot(%rip)), or by way of a stub that jumps there. */
static bool calls_slot(const struct elf *elf, uint64_t at, uint64_t address, uint64_t slot)
{
    const unsigned char *code = elf->data + at;
    if (code[0] == 0xff && code[1] == 0x15)
        return target_of(elf, at + 2, address + 6) == slot;
    if (code[0] != 0xe8)
        return false;
    uint64_t stub = target_of(elf, at + 1, address + 5);
    uint64_t offset = elf_file_offset(elf, stub);
    for (uint64_t i = 0; i < 12 && offset + i + 6 <= elf->size; i++)
        if (elf->data[offset + i] == 0xff && elf->data[offset + i + 1] == 0x25)
            return target_of(elf, offset + i + 2, stub + i + 6) == slot;
    return false;
}

#define DEEPBIND 8      /* RTLD_DEEPBIND */
#define BINDING  3      /* RTLD_LAZY and RTLD_NOW, one of which flags must have */
#define FLAGS    0x110f /* these, and RTLD_NOLOAD, RTLD_GLOBAL, RTLD_NODELETE */
#define BEFORE   32     /* bytes before a call in which its second argument is put */

/** mov $N,%esi, with flags of dlopen()'s: not a character that strrchr() looks for. */
static bool puts_deepbind(const unsigned char *code)
{
    uint32_t flags = 0;
    memcpy(&flags, code + 1, sizeof(flags));
    return code[0] == 0xbe && (flags & DEEPBIND) && (flags & BINDING) &&
           !(flags & ~(uint32_t)FLAGS);
}

static bool binds_in_segment(const struct elf *elf, uint64_t segment, uint64_t slot)
{
    uint64_t start = MEMBER(elf, segment, Phdr, p_offset);
    uint64_t end = start + MEMBER(elf, segment, Phdr, p_filesz);
    uint64_t address = MEMBER(elf, segment, Phdr, p_vaddr);
    if (end > elf->size)
        return false;
    for (uint64_t at = start + BEFORE; at + 6 < end; at++) {
        if (!calls_slot(elf, at, address + (at - start), slot))
            continue;
        for (unsigned back = 5; back < BEFORE; back++)
            if (puts_deepbind(elf->data + at - back))
                return true;
    }
    return false;
}

/** mov w1, #N of AArch64, for the flags that are in use: RTLD_LAZY or RTLD_NOW, and GLOBAL. */
static bool has_arm_flags(const struct elf *elf)
{
    static const uint32_t flags[] = {0x9, 0xa, 0x109, 0x10a};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        uint32_t code = 0x52800000u | flags[i] << 5 | 1;
        if (memmem(elf->data, elf->size, &code, sizeof(code)))
            return true;
    }
    return false;
}

bool elf_hides_flags(const struct elf *elf)
{
    return elf->machine != EM_AARCH64 && elf->machine != EM_X86_64 &&
           elf_imports(elf, "dlopen");
}

bool elf_binds_deeply(const struct elf *elf)
{
    uint64_t symbol = elf->is_elf ? imported_symbol(elf, "dlopen") : 0;
    if (!symbol)
        return false;
    if (elf->machine == EM_AARCH64)
        return has_arm_flags(elf);
    uint64_t slot = elf->machine == EM_X86_64 ? slot_of(elf, symbol) : 0;
    for (uint64_t segment = 0; slot && (segment = elf_next_segment(elf, PT_LOAD, segment));)
        if ((MEMBER(elf, segment, Phdr, p_flags) & PF_X) &&
            binds_in_segment(elf, segment, slot))
            return true;
    return false;
}

/** A number that is SA_RESTART (0x10000000), perhaps with ONSTACK (0x8000000), NOCLDSTOP,
 * NOCLDWAIT or SIGINFO (7): other flags are rare beside it, and look like code. */
static bool has_restart(const unsigned char *code)
{
    return code[0] <= 7 && code[1] == 0 && code[2] == 0 && (code[3] & ~0x8u) == 0x10;
}

static bool puts_restart(const struct elf *elf, uint64_t segment)
{
    uint64_t start = MEMBER(elf, segment, Phdr, p_offset);
    uint64_t end = start + MEMBER(elf, segment, Phdr, p_filesz);
    for (uint64_t at = start; at + 4 <= end && end <= elf->size; at++)
        if (has_restart(elf->data + at))
            return true;
    return false;
}

bool elf_omits_restart(const struct elf *elf)
{
    if ((elf->machine != EM_X86_64 && elf->machine != EM_386) || !elf_imports(elf, "sigaction"))
        return false;
    for (uint64_t segment = 0; (segment = elf_next_segment(elf, PT_LOAD, segment));)
        if ((MEMBER(elf, segment, Phdr, p_flags) & PF_X) && puts_restart(elf, segment))
            return false;
    return true;
}
