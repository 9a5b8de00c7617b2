#include "launcher/board/switch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *check(int fd)
{
    struct board_head head;
    struct stat status;
    errno = 0;
    if (fstat(fd, &status) != 0 || pread(fd, &head, sizeof(head), 0) < 0)
        return "its switch cannot be read";
    if (!S_ISREG(status.st_mode) || status.st_size != sizeof(struct board_switch) ||
        head.magic != BOARD_MAGIC || head.version != BOARD_VERSION)
        return "it is no board of this version";
    return NULL;
}

const char *switch_open(const char *directory, int mode, int *fd)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof(path), "%s/switch", directory);
    *fd = open(path, mode | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    return *fd < 0 ? "its switch cannot be opened" : check(*fd);
}

#define TRIES 4

/** False where it is changing. */
static bool copy(int fd, char text[BOARD_WORD_SIZE + 1])
{
    struct board_switch before, after;
    if (pread(fd, &before, sizeof(before), 0) != sizeof(before) ||
        pread(fd, &after, sizeof(after), 0) != sizeof(after) ||
        atomic_load(&before.word) != atomic_load(&after.word))
        return false;
    uint32_t now = atomic_load(&before.word);
    const struct board_word *word = &before.words[now % 2];
    size_t len = now != 0 && word->len <= BOARD_WORD_SIZE ? word->len : 0;
    memcpy(text, word->text, len);
    text[len] = '\0';
    return true;
}

const char *switch_read(const char *directory, char text[BOARD_WORD_SIZE + 1])
{
    int fd;
    const char *why = switch_open(directory, O_RDONLY, &fd);
    bool copied = false;
    for (int i = 0; !why && !copied && i < TRIES; i++)
        copied = copy(fd, text);
    if (!why && !copied)
        why = "its switch cannot be read";
    if (fd >= 0)
        close(fd);
    return why;
}
