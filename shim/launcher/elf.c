#include "launcher/elf.h"

#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const libc_names[LIBCS] = {"an unknown libc", "glibc", "musl", "uClibc", "bionic"};

static const struct {
    uint16_t machine;
    const char *name;
} machines[] = {
    {EM_386, "x86"},         {EM_X86_64, "x86-64"}, {EM_ARM, "ARM"},
    {EM_AARCH64, "AArch64"}, {EM_RISCV, "RISC-V"},  {EM_PPC, "PowerPC"},
    {EM_PPC64, "PowerPC"},   {EM_S390, "S/390"},    {EM_MIPS, "MIPS"},
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ||
                   __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__,
               "one of the two orders that ELF has");

static void read_ident(struct elf *elf)
{
    const unsigned char ours =
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    if (elf->size < sizeof(Elf32_Ehdr) || memcmp(elf->data, ELFMAG, SELFMAG) != 0)
        return;
    elf->is_elf = true;
    elf->is_64 = elf->data[EI_CLASS] == ELFCLASS64;
    elf->is_foreign = elf->data[EI_DATA] != ours;
    memcpy(&elf->machine, elf->data + offsetof(Elf32_Ehdr, e_machine), sizeof(elf->machine));
    if (elf->is_foreign)
        elf->machine = (uint16_t)(elf->machine << 8 | elf->machine >> 8);
}

bool elf_open(const char *path, struct elf *elf)
{
    struct stat status;
    *elf = (struct elf){.data = NULL};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool mapped = fstat(fd, &status) == 0;
    if (mapped && status.st_size > 0) {
        void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        mapped = data != MAP_FAILED;
        elf->data = mapped ? data : NULL;
        elf->size = mapped ? (size_t)status.st_size : 0;
    }
    close(fd);
    read_ident(elf);
    return mapped;
}

void elf_close(struct elf *elf)
{
    if (elf->data)
        munmap((void *)(uintptr_t)elf->data, elf->size);
    elf->data = NULL;
}

const char *elf_machine(const struct elf *elf)
{
    static char text[48];
    const char *bits = elf->is_64 ? "64-bit" : "32-bit";
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        if (machines[i].machine == elf->machine) {
            snprintf(text, sizeof(text), "%s %s", bits, machines[i].name);
            return text;
        }
    }
    snprintf(text, sizeof(text), "%s machine %u", bits, elf->machine);
    return text;
}

const char *elf_loader(const struct elf *elf)
{
    uint64_t header = elf_next_segment(elf, PT_INTERP, 0);
    return header ? elf_string_at(elf, MEMBER(elf, header, Phdr, p_offset)) : NULL;
}

/** A table for names: where one contains the first, it is of that libc. */
static enum libc libc_of(const char *name)
{
    static const struct {
        const char *part;
        enum libc libc;
    } parts[] = {
        {"ld-musl", LIBC_MUSL},  {"libc.musl", LIBC_MUSL},    {"ld-linux", LIBC_GLIBC},
        {"ld64.so", LIBC_GLIBC}, {"/ld.so.1", LIBC_GLIBC},    {"libc.so.6", LIBC_GLIBC},
        {"uClibc", LIBC_UCLIBC}, {"bin/linker", LIBC_BIONIC},
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strstr(name, parts[i].part))
            return parts[i].libc;
    return strcmp(name, "libc.so") == 0 ? LIBC_MUSL : LIBC_UNKNOWN;
}

enum libc elf_loader_libc(const char *loader)
{
    return libc_of(loader);
}

/** The value of the first entry of the dynamic section with this tag, from *at on, which is
 * moved behind it; false at the end. */
static bool next_dynamic(const struct elf *elf, int64_t tag, uint64_t *at, uint64_t *value)
{
    for (uint64_t found;
         *at < elf->size && (found = MEMBER(elf, *at, Dyn, d_tag)) != DT_NULL;) {
        *value = MEMBER(elf, *at, Dyn, d_un);
        *at += SIZE(elf, Dyn);
        if (found == (uint64_t)tag)
            return true;
    }
    return false;
}

const char *elf_next_needed(const struct elf *elf, uint64_t *at)
{
    uint64_t header = elf_next_segment(elf, PT_DYNAMIC, 0);
    uint64_t start = header ? MEMBER(elf, header, Phdr, p_offset) : elf->size;
    uint64_t from = start;
    uint64_t strings, name;
    *at = *at ? *at : start;
    if (!next_dynamic(elf, DT_STRTAB, &from, &strings) ||
        !next_dynamic(elf, DT_NEEDED, at, &name))
        return "";
    return elf_string_at(elf, elf_file_offset(elf, strings) + name);
}

const char *elf_library_path(const struct elf *elf)
{
    static const int64_t tags[] = {DT_RUNPATH, DT_RPATH};
    uint64_t header = elf_next_segment(elf, PT_DYNAMIC, 0);
    uint64_t start = header ? MEMBER(elf, header, Phdr, p_offset) : elf->size;
    uint64_t from = start;
    uint64_t strings, path;
    if (!next_dynamic(elf, DT_STRTAB, &from, &strings))
        return "";
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        uint64_t at = start;
        if (next_dynamic(elf, tags[i], &at, &path))
            return elf_string_at(elf, elf_file_offset(elf, strings) + path);
    }
    return "";
}

enum libc elf_needed_libc(const struct elf *elf)
{
    uint64_t at = 0;
    enum libc libc = LIBC_UNKNOWN;
    for (const char *name; libc == LIBC_UNKNOWN && *(name = elf_next_needed(elf, &at));)
        libc = libc_of(name);
    return libc;
}

const char *elf_needed_runtime(const struct elf *elf)
{
    static const char *const runtimes[] = {"libasan.so",       "libtsan.so",
                                           "libhwasan.so",     "libclang_rt.asan",
                                           "libclang_rt.tsan", "libclang_rt.hwasan"};
    uint64_t at = 0;
    for (const char *name; *(name = elf_next_needed(elf, &at));)
        for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++)
            if (strncmp(name, runtimes[i], strlen(runtimes[i])) == 0)
                return name;
    return "";
}

/** The note of its build id; it is loaded, so strip(1) leaves it. */
static bool has_go_note(const struct elf *elf)
{
    for (uint64_t note = 0; (note = elf_next_segment(elf, PT_NOTE, note));) {
        uint64_t at = MEMBER(elf, note, Phdr, p_offset);
        if (MEMBER(elf, at, Nhdr, n_namesz) == 4 &&
            strcmp(elf_string_at(elf, at + sizeof(Elf64_Nhdr)), "Go") == 0)
            return true;
    }
    return false;
}

static bool has_go_section(const struct elf *elf)
{
    uint64_t table = MEMBER(elf, 0, Ehdr, e_shoff);
    uint64_t count = table ? MEMBER(elf, 0, Ehdr, e_shnum) : 0;
    uint64_t names = table + MEMBER(elf, 0, Ehdr, e_shstrndx) * SIZE(elf, Shdr);
    uint64_t strings = MEMBER(elf, names, Shdr, sh_offset);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t header = table + i * SIZE(elf, Shdr);
        const char *name = elf_string_at(elf, strings + MEMBER(elf, header, Shdr, sh_name));
        if (strcmp(name, ".go.buildinfo") == 0 || strcmp(name, ".note.go.buildid") == 0)
            return true;
    }
    return false;
}

bool elf_is_go(const struct elf *elf)
{
    return has_go_note(elf) || has_go_section(elf);
}
