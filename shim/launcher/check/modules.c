#include "launcher/check/modules.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void modules_find(const char *program, bool (*is)(const char *path), char found[PATH_MAX])
{
    static const char *const places[] = {"lib*", "lib*/*"};
    char real[PATH_MAX], pattern[2 * PATH_MAX];
    found[0] = '\0';
    if (!realpath(program, real) || strpbrk(real, "*?[\\"))
        return;
    char *name = strrchr(real, '/');
    *name++ = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !found[0]; i++) {
        glob_t files;
        snprintf(pattern, sizeof(pattern), "%s/../%s/%s/modules/*.so", real, places[i], name);
        if (glob(pattern, 0, NULL, &files) != 0)
            continue;
        for (size_t k = 0; k < files.gl_pathc && !found[0]; k++)
            if (is(files.gl_pathv[k]) && !realpath(files.gl_pathv[k], found))
                found[0] = '\0';
        globfree(&files);
    }
}
