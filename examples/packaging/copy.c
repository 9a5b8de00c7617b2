/*
 * copy: copies /libnotimewait.so into a directory. An image without a shell and without cp uses
 * it.
 *
 * Usage: copy DIRECTORY. A file of that name there is replaced at once, so that a program which
 * starts meanwhile loads the old library or the new one. Status: 0, 1 with a line on stderr.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "libnotimewait.so"

/** Copies all of `from` to `to`; sendfile(2) ends at the end of the file. */
static int copy(int from, int to)
{
    ssize_t sent;
    do
        sent = sendfile(to, from, NULL, 1 << 20);
    while (sent > 0);
    return sent == 0 ? 0 : -1;
}

/** Any user of the volume may read the copy, whatever the umask is. */
static int install(const char *part, const char *whole)
{
    int from = open("/" NAME, O_RDONLY | O_CLOEXEC);
    int to = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (from < 0 || to < 0 || copy(from, to) || fchmod(to, 0644) || close(to))
        return -1;
    return rename(part, whole);
}

int main(int argc, char **argv)
{
    char part[PATH_MAX], whole[PATH_MAX];
    if (argc != 2) {
        fputs("copy: usage: copy DIRECTORY\n", stderr);
        return 1;
    }
    snprintf(part, sizeof(part), "%s/." NAME ".part", argv[1]);
    snprintf(whole, sizeof(whole), "%s/" NAME, argv[1]);
    if (!install(part, whole))
        return 0;
    perror(whole);
    return 1;
}
