#include "launcher/check/bypass.h"

#include "launcher/check/needed.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct bypass_info bypasses[BYPASSES] = {
#define BYPASS(id, ...) [BYPASS_##id] = {__VA_ARGS__},
#define REMARK(...)
#include "launcher/check/bypass.def"
#undef BYPASS
#undef REMARK
};

const struct remark_info remarks[REMARKS] = {
#define BYPASS(...)
#define REMARK(id, ...) [REMARK_##id] = {__VA_ARGS__},
#include "launcher/check/bypass.def"
#undef BYPASS
#undef REMARK
};

/* Through which a program has libc look a name up. */
static const char *const resolving[] = {
    "getaddrinfo", "gethostbyname", "gethostbyname2", "gethostbyaddr", "getnameinfo",
    "res_query",   "__res_query",   "res_nquery",     "__res_nquery",  "gethostbyname_r",
    NULL};

static void note(struct bypass_found *found, const char *path)
{
    if (!found->path[0])
        snprintf(found->path, sizeof(found->path), "%s", path);
}

static bool imports_any(const struct elf *elf, const char *const names[])
{
    for (; *names; names++)
        if (elf_imports(elf, *names))
            return true;
    return false;
}

/** resolv.conf(5), or RES_OPTIONS, has libc's resolver use TCP always. */
static bool resolver_uses_tcp(void)
{
    const char *options = getenv("RES_OPTIONS");
    char line[512];
    bool uses = options && strstr(options, "use-vc");
    FILE *file = fopen("/etc/resolv.conf", "re");
    while (file && !uses && fgets(line, sizeof(line), file))
        uses = strncmp(line, "options", 7) == 0 && strstr(line, "use-vc");
    if (file)
        fclose(file);
    return uses;
}

/** It installs a filter: by libseccomp, or by a call whose messages say so. */
static bool installs_filter(const struct elf *elf)
{
    uint64_t at = 0;
    for (const char *name; *(name = elf_next_needed(elf, &at));)
        if (strncmp(name, "libseccomp.so", 13) == 0)
            return true;
    return (elf_imports(elf, "prctl") || elf_imports(elf, "syscall")) &&
           elf_contains(elf, "seccomp");
}

static bool look_at_file(const char *path, const struct elf *elf, void *context)
{
    static const char *const remote[] = {"rcmd", "rcmd_af", "rexec", "rexec_af", NULL};
    struct bypass_found *found = context;
    if (elf_binds_deeply(elf))
        note(&found[BYPASS_DEEPBIND], path);
    if (imports_any(elf, remote))
        note(&found[BYPASS_RCMD], path);
    if (installs_filter(elf))
        note(&found[BYPASS_SECCOMP], path);
    if (imports_any(elf, resolving) && resolver_uses_tcp())
        note(&found[BYPASS_RESOLVER], path);
    return false;
}

static bool connects(const char *path, const struct elf *elf, void *unused)
{
    (void)path;
    (void)unused;
    return elf_imports(elf, "connect") || elf_imports(elf, "getaddrinfo");
}

/** A directory of libraries that connect, as one of PHP's extensions: their names are added. */
static void add_connecting(const char *directory, struct bypass_found *found)
{
    char path[PATH_MAX];
    DIR *files = opendir(directory);
    for (struct dirent *file; files && (file = readdir(files));) {
        size_t len = strlen(file->d_name);
        size_t used = strlen(found->detail);
        if (len < 4 || strcmp(file->d_name + len - 3, ".so") != 0 ||
            used + len + 2 > sizeof(found->detail))
            continue;
        snprintf(path, sizeof(path), "%s/%s", directory, file->d_name);
        if (needed_each(path, connects, NULL))
            snprintf(found->detail + used, sizeof(found->detail) - used, "%s%.*s",
                     used ? ", " : "", (int)len - 3, file->d_name);
    }
    if (files)
        closedir(files);
}

/** A directory that is the program's own, not one where all libraries are. */
static bool is_own_directory(const char *path)
{
    struct stat status;
    static const char *const common[] = {"/usr",     "/usr/", "/lib",          "/lib64",
                                         "/usr/lib", "/etc",  "/usr/local/lib"};
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
        if (strcmp(path, common[i]) == 0)
            return false;
    return strlen(path) > 4 && strlen(path) < 200 && stat(path, &status) == 0 &&
           S_ISDIR(status.st_mode);
}

/** Which libraries it loads so is not in its file, but the directory where they are may be. */
static void find_extensions(struct bypass_found *found)
{
    struct elf elf;
    size_t at = 0;
    if (!elf_open(found->path, &elf))
        return;
    for (const char *path; (path = elf_next_path(&elf, &at)) && !found->detail[0];)
        if (is_own_directory(path))
            add_connecting(path, found);
    elf_close(&elf);
}

/** A program that it names, which is a part of it: sshd names sshd-session, for one. */
static bool is_part_of(const char *path, const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *base = slash ? slash + 1 : program;
    const char *its = strrchr(path, '/') + 1;
    return strncmp(its, base, strlen(base)) == 0 && its[strlen(base)] == '-' &&
           access(path, X_OK) == 0;
}

static void look_at_parts(const char *program, struct bypass_found *found)
{
    struct elf elf;
    size_t at = 0;
    if (!elf_open(program, &elf))
        return;
    for (const char *path; (path = elf_next_path(&elf, &at));)
        if (is_part_of(path, program))
            (void)needed_each(path, look_at_file, found);
    if (elf.is_elf && elf.size > 11 && memcmp(elf.data + 8, "AI", 2) == 0)
        note(&found[BYPASS_APPIMAGE], program);
    elf_close(&elf);
}

/** The first file that does it. SA_RESTART, which sigaction(2) may lack, does not show in it.
 */
static bool remark(const char *path, const struct elf *elf, void *context)
{
    static const char *const interrupting[] = {"siginterrupt", "sysv_signal", "__sysv_signal",
                                               "sigset", NULL};
    static const char *const opening[] = {"dlopen", "dlmopen", NULL};
    static const char *const *const names[REMARKS] = {
        [REMARK_INTERRUPTS] = interrupting,
        [REMARK_RESOLVES] = resolving,
        [REMARK_OPENS] = opening,
    };
    char(*found)[PATH_MAX] = context;
    bool crypto = strstr(path, "/libcrypto.so") != NULL; /* its modules do not connect */
    for (int i = 0; i < REMARKS; i++)
        if (!found[i][0] && !(crypto && i == REMARK_OPENS) && imports_any(elf, names[i]))
            snprintf(found[i], PATH_MAX, "%s", path);
    return false;
}

void bypass_find_remarks(const char *program, char found[REMARKS][PATH_MAX])
{
    for (int i = 0; i < REMARKS; i++)
        found[i][0] = '\0';
    (void)needed_each(program, remark, found);
}

/** Also in what it may load by a name that stands in a file (dlopen(3)). */
static bool look_for_deepbind(const char *path, const struct elf *elf, void *context)
{
    struct bypass_found *found = context;
    if (!elf_binds_deeply(elf))
        return false;
    note(&found[BYPASS_DEEPBIND], path);
    return true;
}

void bypass_look_at(const char *path, const char *at, struct bypass_found found[BYPASSES])
{
    struct elf elf;
    if (needed_is_libc(path) || !elf_open(at, &elf))
        return;
    if (elf.is_elf && !elf.is_foreign)
        (void)look_at_file(path, &elf, found);
    elf_close(&elf);
}

bool bypass_any(const struct bypass_found found[BYPASSES])
{
    for (int i = 0; i < BYPASSES; i++)
        if (found[i].path[0])
            return true;
    return false;
}

bool bypass_look(const char *program, struct bypass_found found[BYPASSES])
{
    for (int i = 0; i < BYPASSES; i++)
        found[i].path[0] = found[i].detail[0] = '\0';
    (void)needed_each(program, look_at_file, found);
    look_at_parts(program, found);
    if (!found[BYPASS_DEEPBIND].path[0])
        (void)needed_each_named(program, look_for_deepbind, found);
    if (found[BYPASS_DEEPBIND].path[0])
        find_extensions(&found[BYPASS_DEEPBIND]);
    return bypass_any(found);
}
