#include "launcher/check/bypass.h"

#include "launcher/check/modules.h"
#include "launcher/check/needed.h"
#include "policy/text.h"

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
    return (elf_imports(elf, "prctl") || elf_imports(elf, "__prctl_time64") ||
            elf_imports(elf, "syscall")) &&
           elf_contains(elf, "seccomp");
}

/** It loads libraries with RTLD_DEEPBIND, and they may connect: libmount, which GLib needs,
 * loads libcryptsetup so, for dm-verity, which does not. */
static bool binds_deeply(const char *path, const struct elf *elf)
{
    return !strstr(path, "/libmount.so") && elf_binds_deeply(elf);
}

static bool look_at_file(const char *path, const struct elf *elf, void *context)
{
    static const char *const remote[] = {"rcmd", "rcmd_af", "rexec", "rexec_af", NULL};
    struct bypass_found *found = context;
    if (binds_deeply(path, elf))
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

#define SHOWN_MAX 12 /* names of a directory; of more, their number */

/** A file of a directory that is a library and connects. */
static bool is_connecting(const char *directory, const char *name)
{
    char path[PATH_MAX];
    size_t len = strlen(name);
    if (len < 4 || strcmp(name + len - 3, ".so") != 0)
        return false;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return needed_each(path, connects, NULL);
}

/** A directory of libraries that connect, as one of PHP's extensions: their names, sorted, then
 * the directory. */
static void add_connecting(const char *directory, struct bypass_found *found)
{
    struct dirent **files;
    struct text text = text_in(found->detail, sizeof(found->detail));
    unsigned names = 0;
    int count = scandir(directory, &files, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (is_connecting(directory, files[i]->d_name) && names++ < SHOWN_MAX) {
            text_str(&text, names > 1 ? ", " : "");
            text_printable(&text, files[i]->d_name, strlen(files[i]->d_name) - 3, 20);
        }
        free(files[i]);
    }
    if (count >= 0)
        free(files);
    if (names > SHOWN_MAX) {
        text_str(&text, " and ");
        text_number(&text, names - SHOWN_MAX, 1);
        text_str(&text, " more");
    }
    if (names > 0) {
        text_str(&text, ", of ");
        text_str(&text, directory);
    }
}

/** A directory that is the program's own, not one where all libraries are. */
static bool is_own_directory(const char *path)
{
    struct stat status;
    static const char *const common[] = {"/usr", "/etc"};
    char real[PATH_MAX];
    if (strlen(path) < 4 || strlen(path) > 200 || !realpath(path, real))
        return false;
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
        if (strcmp(real, common[i]) == 0)
            return false;
    return stat(real, &status) == 0 && S_ISDIR(status.st_mode) && !needed_is_shared(real);
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

/** One of the programs that it starts. */
static void look_at_part(const char *path, struct bypass_found *found)
{
    if (access(path, R_OK) == 0)
        (void)needed_each(path, look_at_file, found);
    else
        note(&found[BYPASS_UNREAD], path);
}

static void look_at_parts(const char *program, struct bypass_found *found)
{
    struct elf elf;
    size_t at = 0;
    if (!elf_open(program, &elf))
        return;
    for (const char *path; (path = elf_next_path(&elf, &at));)
        if (is_part_of(path, program))
            look_at_part(path, found);
    if (elf.is_elf && elf.size > 11 && memcmp(elf.data + 8, "AI", 2) == 0)
        note(&found[BYPASS_APPIMAGE], program);
    elf_close(&elf);
}

/** What shows otherwise than by the names of what it imports. */
static bool shows(const struct elf *elf, int which)
{
    return (which == REMARK_FLAGS && elf_hides_flags(elf)) ||
           (which == REMARK_OMITS && elf_omits_restart(elf));
}

/** The first file that does it. Whether a handler has SA_RESTART does not show, only whether
 * any may have it. */
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
        if (!found[i][0] && !(crypto && (i == REMARK_OPENS || i == REMARK_FLAGS)) &&
            ((names[i] && imports_any(elf, names[i])) || shows(elf, i)))
            snprintf(found[i], PATH_MAX, "%s", path);
    return false;
}

/** Also in what it may load by a name that stands in a file (dlopen(3)). */
static bool look_for_deepbind(const char *path, const struct elf *elf, void *context)
{
    struct bypass_found *found = context;
    if (!binds_deeply(path, elf))
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

static void forget(struct bypass_found found[BYPASSES])
{
    for (int i = 0; i < BYPASSES; i++)
        found[i].path[0] = found[i].detail[0] = '\0';
}

bool bypass_look(const char *program, struct bypass_found found[BYPASSES])
{
    forget(found);
    (void)needed_each(program, look_at_file, found);
    look_at_parts(program, found);
    struct needed_missed missed;
    needed_find_missed(program, &missed);
    if (missed.unreadable[0])
        note(&found[BYPASS_UNREAD], missed.unreadable);
    if (!found[BYPASS_DEEPBIND].path[0])
        (void)needed_each_named(program, look_for_deepbind, found);
    if (found[BYPASS_DEEPBIND].path[0])
        find_extensions(&found[BYPASS_DEEPBIND]);
    return bypass_any(found);
}

/** It is a library that does something which a preloaded one does not see. */
static bool passes_by(const char *module)
{
    static struct bypass_found found[BYPASSES];
    forget(found);
    bypass_look_at(module, module, found);
    return bypass_any(found);
}

void bypass_find_remarks(const char *program, char found[REMARKS][PATH_MAX])
{
    for (int i = 0; i < REMARKS; i++)
        found[i][0] = '\0';
    (void)needed_each(program, remark, found);
    struct needed_missed missed;
    needed_find_missed(program, &missed);
    snprintf(found[REMARK_MISSED], PATH_MAX, "%s", missed.missing);
    if (found[REMARK_OPENS][0])
        modules_find(program, passes_by, found[REMARK_MODULE]);
}
