#include "launcher/check/needed.h"

#include "launcher/memory.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Those that were found, in order; each is visited, and adds what it needs. */
struct walk {
    char (*paths)[PATH_MAX];
    size_t count, room;
    bool named;                   /* also what dlopen() is given a name of */
    struct needed_missed *missed; /* what it could not look at, or NULL */
    char denied[PATH_MAX];        /* where the one that is looked for may not be read */
};

/** Keeps the first one. */
static void miss(char kept[PATH_MAX], const char *what)
{
    if (!kept[0])
        snprintf(kept, PATH_MAX, "%s", what);
}

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

/** One of this name was found for another file: the loader takes it again. */
static bool is_loaded(const struct walk *walk, const char *name)
{
    for (size_t i = 0; i < walk->count; i++) {
        const char *slash = strrchr(walk->paths[i], '/');
        if (strcmp(slash ? slash + 1 : walk->paths[i], name) == 0)
            return true;
    }
    return false;
}

static void add(struct walk *walk, const char *path)
{
    for (size_t i = 0; i < walk->count; i++)
        if (strcmp(walk->paths[i], path) == 0)
            return;
    walk->paths = grow(walk->paths, &walk->room, walk->count + 1, sizeof(walk->paths[0]));
    snprintf(walk->paths[walk->count++], PATH_MAX, "%s", path);
}

static bool add_if_there(struct walk *walk, const char *directory, size_t len, const char *name)
{
    char path[PATH_MAX];
    if (len == 0 ||
        snprintf(path, sizeof(path), "%.*s/%s", (int)len, directory, name) >= (int)sizeof(path))
        return false;
    if (access(path, R_OK) != 0) {
        if (errno == EACCES && access(path, F_OK) == 0)
            miss(walk->denied, path);
        return false;
    }
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

/** Whether it is there, of one directory; returns true to end the visits. */
typedef bool directory_visit(const char *directory, size_t len, void *context);

/** The directories of one file of ld.so.conf(5). */
static bool each_of_file(const char *configuration, directory_visit *visit, void *context)
{
    char line[PATH_MAX];
    bool found = false;
    FILE *file = fopen(configuration, "re");
    while (file && !found && fgets(line, sizeof(line), file))
        found = line[0] == '/' && visit(line, strcspn(line, " \t\n"), context);
    if (file)
        fclose(file);
    return found;
}

/** Those of ld.so.conf(5), then those that the loader knows. */
static bool each_directory(directory_visit *visit, void *context)
{
    static const char *const known[] = {"/usr/local/lib", "/lib64", "/usr/lib64", "/lib",
                                        "/usr/lib"};
    glob_t files;
    bool found = false;
    if (glob("/etc/ld.so.conf.d/*.conf", 0, NULL, &files) == 0) {
        for (size_t i = 0; i < files.gl_pathc && !found; i++)
            found = each_of_file(files.gl_pathv[i], visit, context);
        globfree(&files);
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !found; i++)
        found = visit(known[i], strlen(known[i]), context);
    return found;
}

static bool is_real_path_of(const char *directory, size_t len, void *wanted)
{
    char path[PATH_MAX], real[PATH_MAX];
    snprintf(path, sizeof(path), "%.*s", (int)len, directory);
    return realpath(path, real) && strcmp(real, wanted) == 0;
}

bool needed_is_shared(const char *directory)
{
    char wanted[PATH_MAX];
    snprintf(wanted, sizeof(wanted), "%s", directory);
    return each_directory(is_real_path_of, wanted);
}

/* What is looked for in each. */
struct search {
    struct walk *walk;
    const char *name;
};

static bool is_there(const char *directory, size_t len, void *context)
{
    const struct search *search = context;
    return add_if_there(search->walk, directory, len, search->name);
}

static bool is_anywhere(struct walk *walk, const struct elf *elf, const char *path,
                        const char *name)
{
    char origin[PATH_MAX];
    if (strcmp(path, walk->paths[0]) != 0 || !realpath(path, origin)) /* as the loader does */
        snprintf(origin, sizeof(origin), "%s", path);
    char *slash = strrchr(origin, '/');
    if (slash)
        *slash = '\0';
    struct search search = {walk, name};
    return is_in_path(walk, elf_library_path(elf), origin, name) ||
           is_in_path(walk, getenv("LD_LIBRARY_PATH"), origin, name) ||
           each_directory(is_there, &search);
}

/** `needed`: it is one of DT_NEEDED. Where that is in no directory, the program may have it
 * from elsewhere. */
static void find(struct walk *walk, const struct elf *elf, const char *path, const char *name,
                 bool needed)
{
    if (is_libc(name) || is_loaded(walk, name))
        return;
    if (strchr(name, '/')) { /* it is the path (ld.so(8)) */
        add(walk, name);
        return;
    }
    walk->denied[0] = '\0';
    if (is_anywhere(walk, elf, path, name) || !walk->missed)
        return;
    if (walk->denied[0])
        miss(walk->missed->unreadable, walk->denied);
    else if (needed)
        miss(walk->missed->missing, name);
}

/** The names of libraries among its strings. */
static void find_named(struct walk *walk, const struct elf *elf, const char *path)
{
    size_t at = 0;
    for (const char *name; (name = elf_next_library(elf, &at));)
        find(walk, elf, path, name, false);
}

static bool visit_one(struct walk *walk, const char *path, needed_visit *visit, void *context)
{
    struct elf elf;
    if (!elf_open(path, &elf)) {
        if (walk->missed && errno == EACCES)
            miss(walk->missed->unreadable, path);
        return false;
    }
    bool done = elf.is_elf && !elf.is_foreign && visit(path, &elf, context);
    uint64_t at = 0;
    for (const char *name; elf.is_elf && !done && *(name = elf_next_needed(&elf, &at));)
        find(walk, &elf, path, name, true);
    if (walk->named && !done && elf_imports(&elf, "dlopen"))
        find_named(walk, &elf, path);
    elf_close(&elf);
    return done;
}

static bool each(const char *path, bool named, struct needed_missed *missed,
                 needed_visit *visit, void *context)
{
    struct walk walk = {.named = named, .missed = missed};
    char one[PATH_MAX]; /* the list may move while it is visited */
    bool done = false;
    add(&walk, path);
    for (size_t i = 0; i < walk.count && !done; i++) {
        snprintf(one, sizeof(one), "%s", walk.paths[i]);
        done = visit_one(&walk, one, visit, context);
    }
    free(walk.paths);
    return done;
}

bool needed_each(const char *path, needed_visit *visit, void *context)
{
    return each(path, false, NULL, visit, context);
}

bool needed_each_named(const char *path, needed_visit *visit, void *context)
{
    return each(path, true, NULL, visit, context);
}

static bool look_on(const char *path, const struct elf *elf, void *unused)
{
    (void)path;
    (void)elf;
    (void)unused;
    return false;
}

void needed_find_missed(const char *path, struct needed_missed *missed)
{
    static struct needed_missed named;
    missed->unreadable[0] = missed->missing[0] = '\0';
    (void)each(path, false, missed, look_on, NULL);
    named.unreadable[0] = '\0';
    (void)each(path, true, &named, look_on, NULL);
    miss(missed->unreadable, named.unreadable);
}
