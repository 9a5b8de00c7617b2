#include "launcher/library.h"

#include "launcher/line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME  "libnotimewait.so"
#define BLANKS     " \t\n\v\f\r"
#define SEPARATORS ": " /* of LD_PRELOAD; neither can be escaped (ld.so(8)) */

/** Relative to the launcher's own directory, unless absolute. */
static const struct place {
    const char *directory, *name;
} places[] = {
    {".", "beside the launcher"},
    {"../lib", "in ../lib of the launcher"},
    {FROMBIN, "where it was installed"}, /* a tree that is moved as a whole, or staged */
    {LIBDIR, "where it was installed"},
};

#define PLACES (sizeof(places) / sizeof(places[0]))

/** Makes `to` the directory of this program; "" when /proc cannot tell. */
static void own_directory(char to[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", to, PATH_MAX - 1);
    to[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(to, '/');
    if (slash)
        *slash = '\0';
}

static bool is_in(const char *directory, const struct place *place, char to[PATH_MAX])
{
    char path[2 * PATH_MAX];
    bool absolute = place->directory[0] == '/';
    snprintf(path, sizeof(path), "%s%s%s/" FILE_NAME, absolute ? "" : directory,
             absolute ? "" : "/", place->directory);
    return realpath(path, to) != NULL;
}

/** The element of LD_PRELOAD that is the library, if there is one. */
static bool is_preset(char to[PATH_MAX])
{
    const char *at = getenv("LD_PRELOAD");
    for (size_t len; at && *at; at += len + (at[len] != '\0')) {
        len = strcspn(at, SEPARATORS);
        size_t name_len = strlen(FILE_NAME);
        if (len < name_len || len >= PATH_MAX ||
            memcmp(at + len - name_len, FILE_NAME, name_len) != 0)
            continue;
        memcpy(to, at, len);
        to[len] = '\0';
        return true;
    }
    return false;
}

static void complain_not_found(const char *directory)
{
    if (directory[0])
        complain(FILE_NAME " is neither in %s nor in %s/../lib nor in " LIBDIR, directory,
                 directory);
    else
        complain(FILE_NAME " is not in " LIBDIR
                           ", and /proc, which says where this launcher is, "
                           "cannot be read");
}

/** Complains and returns false where LD_PRELOAD cannot name the path. Any blank separates for
 * musl, a space for glibc. */
static bool can_be_named(const char *path)
{
    if (strpbrk(path, BLANKS ":"))
        complain("%s: the loader cannot be told of a path with a blank or a colon", path);
    else if (strchr(path, '$'))
        complain("%s: the loader cannot be told of a path with a $, which it replaces ($LIB)",
                 path);
    else
        return true;
    return false;
}

/** A path is what the loader opens; a name alone, or with $LIB in it, it looks for. */
static bool can_be_opened(const char *path)
{
    if (!strchr(path, '/') || strchr(path, '$') || access(path, R_OK) == 0)
        return true;
    complain("LD_PRELOAD names %s, which cannot be opened (%s): correct or unset it", path,
             strerror(errno));
    return false;
}

/** The outcome of library_find(): no path where the library cannot be preloaded. */
static bool found(struct library *library, bool usable)
{
    if (!usable)
        library->path[0] = '\0';
    return usable;
}

bool library_find(struct library *library)
{
    char directory[PATH_MAX];
    *library = (struct library){.where = "LD_PRELOAD names it", .preset = true};
    if (is_preset(library->path))
        return found(library, can_be_opened(library->path));
    library->preset = false;
    own_directory(directory);
    for (size_t i = 0; i < PLACES; i++) {
        library->where = places[i].name;
        if (is_in(directory, &places[i], library->path))
            return found(library, can_be_named(library->path));
    }
    complain_not_found(directory);
    return found(library, false);
}
