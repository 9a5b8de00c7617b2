/*
 * file: whether a log could be written. Of the library and of the launcher.
 */
#ifndef FILE_H
#define FILE_H

#include <fcntl.h>
#include <stdbool.h>

/** How records are opened, apart from O_CREAT: no other process's terminal, link or wait. */
#define FILE_APPEND_FLAGS                                                                      \
    (O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_LARGEFILE)

/**
 * The file can be opened with these flags, or it can be made where it is not there yet; false
 * with errno. Nothing is made. `close_fd` is close(), or the function behind our own hook.
 */
bool file_can_be_appended_to(const char *path, int (*close_fd)(int fd));

#endif
