#include "kernel/sysctls.h"

#include "kernel/raw.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define DIRECTORY "/proc/sys/net/ipv4/"

/** What the file has, at most `size` bytes; -1: it cannot be read. */
static long read_file(const char *path, char *buf, size_t size)
{
    int fd = raw_above_stderr(raw_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC));
    if (fd < 0)
        return -1;
    long len = raw_call(SYS_read, fd, buf, size);
    raw_call(SYS_close, fd);
    return len;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/** The numbers in the file; false unless it has as many. */
static bool read_numbers(const char *path, unsigned *numbers, unsigned count)
{
    char buf[64];
    unsigned found = 0;
    bool digit = false;
    long len = read_file(path, buf, sizeof(buf));
    for (long i = 0; i < len; i++) {
        bool was = digit;
        digit = is_digit(buf[i]);
        if (digit && !was && found < count)
            numbers[found++] = 0;
        if (digit)
            numbers[found - 1] = numbers[found - 1] * 10 + (unsigned)(buf[i] - '0');
    }
    return found == count;
}

struct sysctls sysctls_read(void)
{
    struct sysctls sysctls = {.low = 1024, .high = UINT16_MAX, .tw_reuse = 2};
    unsigned range[2], reuse;
    if (read_numbers(DIRECTORY "ip_local_port_range", range, 2)) {
        sysctls.low = (uint16_t)range[0];
        sysctls.high = (uint16_t)range[1];
    }
    if (read_numbers(DIRECTORY "tcp_tw_reuse", &reuse, 1))
        sysctls.tw_reuse = (uint8_t)reuse;
    return sysctls;
}

static void put_range(struct port_set *set, unsigned first, unsigned last)
{
    for (unsigned port = first; port <= last && port <= UINT16_MAX; port++)
        port_put(set, (uint16_t)port);
}

/* One thread at a time. The kernel gives it to the first read() alone, as far as there is room.
 */
static char list[16384];

bool sysctls_read_reserved(struct port_set *reserved)
{
    long len = read_file(DIRECTORY "ip_local_reserved_ports", list, sizeof(list));
    unsigned first = 0, last = 0;
    memset(reserved, 0, sizeof(*reserved));
    for (long i = 0; i < len; i++) {
        if (is_digit(list[i])) {
            last = last * 10 + (unsigned)(list[i] - '0');
            continue;
        }
        first = list[i] == '-' ? last : first ? first : last;
        if (list[i] != '-' && last)
            put_range(reserved, first, last);
        first = list[i] == '-' ? first : 0;
        last = 0;
    }
    return len >= 0 && len < (long)sizeof(list);
}
