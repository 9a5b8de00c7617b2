/*
 * offsets: calls preadv2() and pwritev2() by their plain names, whose offset is a long, and
 * tells whether each used the one that it was given. It knows nothing of the library: it is the
 * host program.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* Not by the header, which leads to others where off_t has 64 bits and long 32. */
ssize_t plain_preadv2(int, const struct iovec *, int, long, int) __asm__("preadv2");
ssize_t plain_pwritev2(int, const struct iovec *, int, long, int) __asm__("pwritev2");

int main(void)
{
    char name[] = "/tmp/offsets-XXXXXX", three[] = "...", all[11] = "0123456789";
    struct iovec input = {.iov_base = three, .iov_len = 3};
    struct iovec output = {.iov_base = "xy", .iov_len = 2};
    int fd = mkstemp(name);

    if (fd < 0 || unlink(name) != 0 || write(fd, all, 10) != 10)
        return 2;
    bool right = plain_preadv2(fd, &input, 1, 5, 0) == 3 && strcmp(three, "567") == 0;
    printf("preadv2 at 5: %s\n", three);
    right = plain_pwritev2(fd, &output, 1, 2, 0) == 2 && right;
    right = lseek(fd, 0, SEEK_SET) == 0 && read(fd, all, 10) == 10 && right;
    printf("pwritev2 at 2: %s\n", all);
    return right && strcmp(all, "01xy456789") == 0 ? 0 : 1;
}
