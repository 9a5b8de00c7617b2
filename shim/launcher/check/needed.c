#include "launcher/check/needed.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 200

/* Those that were found, in order; each is visited, and adds what it needs. */
struct walk {
    char *paths[FILES_MAX];
    unsigned count;
    bool named; /* also what dlopen() is given a name of */
};

static bool is_libc(const char *name)
{
    static const char *const parts[] = {
        "ld-",      "libc.so",      "libm.so",       "libpthread.", "libdl.so",
        "librt.so", "libresolv.so", "linux-vdso.so", "libstdc++.",  "libgcc_s."};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strncmp(name, parts[i], strlen(parts[i])) == 0)
            return true;
    return false;
}

bool needed_is_libc(const char *path)
{
    const char *slash = strrchr(path, '/');
    return is_libc(slash ? slash + 1 : path);
}

static void add(struct walk *walk, const char *path)
{
    for (unsigned i = 0; i < walk->count; i++)
        if (strcmp(walk->paths[i], path) == 0)
            return;
    if (walk->count < FILES_MAX)
        walk->paths[walk->count++] = strdup(path);
}

static bool add_if_there(struct walk *walk, const char *directory, size_t len, const char *name)
{
    char path[PATH_MAX];
    if (len == 0 ||
        snprintf(path, sizeof(path), "%.*s/%s", (int)len, directory, name) >= (int)sizeof(path))
        return false;
    if (access(path, R_OK) != 0)
        return false;
    add(walk, path);
    return true;
}

/** $ORIGIN is the directory of the file that names it. */
static bool is_in_path(struct walk *walk, const char *directories, const char *origin,
                       const char *name)
{
    static const char variable[] = "$ORIGIN";
    size_t variable_len = strlen(variable);
    for (const char *at = directories; at && *at; at += *at == ':') {
        size_t len = strcspn(at, ":");
        char expanded[PATH_MAX];
        if (strncmp(at, variable, variable_len) == 0)
            snprintf(expanded, sizeof(expanded), "%s%.*s", origin, (int)(len - variable_len),
                     at + variable_len);
        else
            snprintf(expanded, sizeof(expanded), "%.*s", (int)len, at);
        if (add_if_there(walk, expanded, strlen(expanded), name))
            return true;
        at += len;
    }
    return false;
}

/** The directories of one file of ld.so.conf(5). */
static bool is_in_configured(struct walk *walk, const char *configuration, const char *name)
{
    char line[PATH_MAX];
    bool found = false;
    FILE *file = fopen(configuration, "re");
    while (file && !found && fgets(line, sizeof(line), file))
        found = line[0] == '/' && add_if_there(walk, line, strcspn(line, " \t\n"), name);
    if (file)
        fclose(file);
    return found;
}

static bool is_in_any_configured(struct walk *walk, const char *name)
{
    glob_t files;
    bool found = false;
    if (glob("/etc/ld.so.conf.d/*.conf", 0, NULL, &files) != 0)
        return false;
    for (size_t i = 0; i < files.gl_pathc && !found; i++)
        found = is_in_configured(walk, files.gl_pathv[i], name);
    globfree(&files);
    return found;
}

static void find(struct walk *walk, const struct elf *elf, const char *path, const char *name)
{
    char origin[PATH_MAX];
    if (is_libc(name))
        return;
    if (strchr(name, '/')) { /* it is the path (ld.so(8)) */
        add(walk, name);
        return;
    }
    snprintf(origin, sizeof(origin), "%s", path);
    char *slash = strrchr(origin, '/');
    if (slash)
        *slash = '\0';
    (void)(is_in_path(walk, elf_library_path(elf), origin, name) ||
           is_in_path(walk, getenv("LD_LIBRARY_PATH"), origin, name) ||
           is_in_any_configured(walk, name) ||
           is_in_path(walk, "/usr/local/lib:/lib64:/usr/lib64:/lib:/usr/lib", origin, name));
}

/** The names of libraries among its strings. */
static void find_named(struct walk *walk, const struct elf *elf, const char *path)
{
    size_t at = 0;
    for (const char *name; (name = elf_next_library(elf, &at));)
        find(walk, elf, path, name);
}

static bool visit_one(struct walk *walk, const char *path, needed_visit *visit, void *context)
{
    struct elf elf;
    if (!elf_open(path, &elf))
        return false;
    bool done = elf.is_elf && !elf.is_foreign && visit(path, &elf, context);
    uint64_t at = 0;
    for (const char *name; elf.is_elf && !done && *(name = elf_next_needed(&elf, &at));)
        find(walk, &elf, path, name);
    if (walk->named && !done && elf_imports(&elf, "dlopen"))
        find_named(walk, &elf, path);
    elf_close(&elf);
    return done;
}

static bool each(const char *path, bool named, needed_visit *visit, void *context)
{
    struct walk walk = {.named = named};
    bool done = false;
    add(&walk, path);
    for (unsigned i = 0; i < walk.count && !done; i++)
        done = walk.paths[i] && visit_one(&walk, walk.paths[i], visit, context);
    for (unsigned i = 0; i < walk.count; i++)
        free(walk.paths[i]);
    return done;
}

bool needed_each(const char *path, needed_visit *visit, void *context)
{
    return each(path, false, visit, context);
}

bool needed_each_named(const char *path, needed_visit *visit, void *context)
{
    return each(path, true, visit, context);
}
