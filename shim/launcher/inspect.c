#include "launcher/inspect.h"

#include "launcher/elf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

const struct finding_info findings[FINDINGS] = {
#define FINDING(id, reach, ...) [FINDING_##id] = {REACH_##reach, __VA_ARGS__},
#include "launcher/findings.def"
#undef FINDING
};

#define BLANKS " \t\n"

/** Why it is no program. */
static enum finding why_not(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || S_ISREG(status.st_mode))
        return FINDING_NOT_EXECUTABLE;
    return S_ISDIR(status.st_mode) ? FINDING_DIRECTORY : FINDING_NO_FILE;
}

static bool is_executable(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/** Looks for it in PATH, unless it has a slash; false when there is no such file. */
static bool find_command(const char *command, char path[PATH_MAX])
{
    bool found = false;
    const char *directories = getenv("PATH");
    if (strchr(command, '/')) {
        snprintf(path, PATH_MAX, "%s", command);
        return access(path, F_OK) == 0;
    }
    snprintf(path, PATH_MAX, "%s", command);
    for (const char *at = directories ? directories : "/bin:/usr/bin"; *command;) {
        char file[PATH_MAX];
        size_t len = strcspn(at, ":");
        snprintf(file, sizeof(file), "%.*s%s%s", (int)len, at, len > 0 ? "/" : "", command);
        if (access(file, F_OK) == 0 && (!found || is_executable(file))) {
            snprintf(path, PATH_MAX, "%s", file);
            found = true;
        }
        if ((found && is_executable(path)) || !at[len])
            break;
        at += len + 1;
    }
    return found;
}

/** The kernel gives no rights to programs of this file system, or to this process. */
static bool rights_are_withheld(const char *path)
{
    struct statvfs system;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
           (statvfs(path, &system) == 0 && (system.f_flag & ST_NOSUID) != 0);
}

/** Whether the loader drops LD_PRELOAD since the program gains rights (ld.so(8), AT_SECURE;
 * cap_bprm_creds_from_file()). */
static bool gains_rights(const char *path, enum finding *finding)
{
    struct stat status;
    if (stat(path, &status) != 0 || rights_are_withheld(path))
        return false;
    bool setuid = (status.st_mode & S_ISUID) && status.st_uid != getuid();
    bool setgid = (status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
                  status.st_gid != getgid();
    if (setuid || setgid)
        *finding = FINDING_SETUID;
    else if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
        *finding = FINDING_CAPABILITIES;
    else
        return false;
    return true;
}

/** /snap/bin/NAME is a link to snap(8), which starts the program by snap-confine. */
static bool is_snap(const char *path)
{
    char real[PATH_MAX];
    return strncmp(path, "/snap/bin/", 10) == 0 ||
           (realpath(path, real) && strcmp(real, "/usr/bin/snap") == 0);
}

/** The library fits the program's machine, class and libc. */
static enum finding compare(const struct elf *elf, const char *loader, const char *library_path)
{
    struct elf library;
    enum finding finding = FINDING_WORKS;
    enum libc libc = elf_loader_libc(loader);
    if (access(loader, X_OK) != 0)
        finding = FINDING_NO_LOADER;
    if (strchr(library_path, '$') || !elf_open(library_path, &library))
        return finding; /* its own loader will know which library that is */
    enum libc other = elf_needed_libc(&library);
    if (elf->is_64 != library.is_64)
        finding = FINDING_OTHER_CLASS;
    else if (elf->machine != library.machine)
        finding = FINDING_OTHER_MACHINE;
    else if (libc != other && libc != LIBC_UNKNOWN && other != LIBC_UNKNOWN)
        finding = FINDING_OTHER_LIBC;
    elf_close(&library);
    return finding;
}

static void inspect_elf(const struct elf *elf, const char *library_path,
                        struct inspected *inspected)
{
    const char *loader = elf_loader(elf);
    if (elf->is_foreign)
        inspected->finding = FINDING_OTHER_MACHINE;
    else if (elf_is_go(elf))
        inspected->finding = FINDING_GO;
    else if (!loader)
        inspected->finding = FINDING_STATIC;
    else
        inspected->finding = compare(elf, loader, library_path);
    if (inspected->finding == FINDING_WORKS)
        snprintf(inspected->runtime, sizeof(inspected->runtime), "%s", elf_needed_runtime(elf));
    if (inspected->finding == FINDING_NO_LOADER)
        snprintf(inspected->detail, sizeof(inspected->detail), "%.90s", loader);
    else
        snprintf(inspected->detail, sizeof(inspected->detail), "%s%s%s", elf_machine(elf),
                 loader ? ", " : "", loader ? libc_names[elf_loader_libc(loader)] : "");
}

/** The first word of *at, which is moved behind it and blanks, into to[]. */
static void next_word(const char **at, char to[PATH_MAX])
{
    size_t len = strcspn(*at, BLANKS);
    snprintf(to, PATH_MAX, "%.*s", (int)len, *at);
    *at += len;
    *at += strspn(*at, BLANKS);
}

/** What env(1) runs: its first word that is neither an option nor a variable. */
static void behind_env(const char *arguments, char interpreter[PATH_MAX])
{
    char word[PATH_MAX];
    while (*arguments) {
        next_word(&arguments, word);
        if (word[0] == '-' || strchr(word, '='))
            continue;
        if (!find_command(word, interpreter))
            snprintf(interpreter, PATH_MAX, "%s", word);
        return;
    }
}

/** The interpreter of a script (execve(2)); where #! names none it is the shell (execvp(3)). */
static void find_interpreter(const struct elf *script, char interpreter[PATH_MAX])
{
    char line[256] = "";
    if (script->size < 2 || memcmp(script->data, "#!", 2) != 0) {
        snprintf(interpreter, PATH_MAX, "/bin/sh");
        return;
    }
    size_t size = script->size - 2 < sizeof(line) - 1 ? script->size - 2 : sizeof(line) - 1;
    memcpy(line, script->data + 2, size);
    line[strcspn(line, "\n")] = '\0';
    const char *at = line + strspn(line, BLANKS);
    next_word(&at, interpreter);
    if (!interpreter[0])
        snprintf(interpreter, PATH_MAX, "/bin/sh");
    const char *slash = strrchr(interpreter, '/');
    if (strcmp(slash ? slash + 1 : interpreter, "env") == 0)
        behind_env(at, interpreter);
}

/** Looks at one file. Where it is a script, fills in whose. */
static void inspect_file(struct inspected *inspected, const char *library_path,
                         char interpreter[PATH_MAX])
{
    struct elf file;
    if (!is_executable(inspected->path)) {
        inspected->finding = why_not(inspected->path);
        return;
    }
    if (!elf_open(inspected->path, &file)) {
        inspected->finding = FINDING_UNREADABLE;
        return;
    }
    if (is_snap(inspected->path)) {
        inspected->finding = FINDING_SNAP;
    } else if (!file.is_elf) {
        inspected->finding = FINDING_SCRIPT;
        find_interpreter(&file, interpreter);
        snprintf(inspected->detail, sizeof(inspected->detail), "%.90s", interpreter);
    } else if (!gains_rights(inspected->path, &inspected->finding)) {
        inspect_elf(&file, library_path, inspected);
    }
    elf_close(&file);
}

const struct inspected *inspect(const char *command, const struct library *library,
                                struct inspection *inspection)
{
    char next[PATH_MAX];
    struct inspected *one = NULL;
    snprintf(next, sizeof(next), "%s", command);
    for (inspection->count = 0; inspection->count < CHAIN_MAX;) {
        one = &inspection->chain[inspection->count];
        *one = (struct inspected){.finding = FINDING_NOT_FOUND};
        bool found =
            inspection->count == 0 ? find_command(next, one->path) : access(next, F_OK) == 0;
        if (inspection->count++ > 0)
            snprintf(one->path, sizeof(one->path), "%s", next);
        if (found)
            inspect_file(one, library->path, next);
        if (one->finding != FINDING_SCRIPT)
            return one;
    }
    one->finding = FINDING_NESTED;
    return one;
}
