#include "kernel/file.h"

#include "kernel/raw.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/** The directory that the file would be in; false where its name is too long. */
static bool directory_of(const char *path, char directory[PATH_MAX])
{
    size_t len = strlen(path);
    if (len >= PATH_MAX)
        return false;
    memcpy(directory, path, len + 1);
    while (len > 1 && directory[len - 1] != '/')
        len--;
    if (len == 1 && directory[0] != '/')
        directory[0] = '.';
    directory[len > 1 ? len - 1 : 1] = '\0';
    return true;
}

bool file_can_be_appended_to(const char *path, int (*close_fd)(int fd))
{
    char directory[PATH_MAX];
    int fd = (int)raw_call(SYS_openat, AT_FDCWD, path, FILE_APPEND_FLAGS);
    if (fd >= 0)
        return close_fd(fd) == 0;
    if (errno != ENOENT)
        return false;
    if (directory_of(path, directory))
        return raw_call(SYS_faccessat, AT_FDCWD, directory, (long)(W_OK | X_OK)) == 0;
    errno = ENAMETOOLONG;
    return false;
}
