#include "kernel/sysctls.h"

#include "kernel/raw.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>

#define DIRECTORY "/proc/sys/net/ipv4/"

/** The numbers in the file; false unless it has as many. */
static bool read_numbers(const char *path, unsigned *numbers, unsigned count)
{
    char buf[64];
    int fd = raw_above_stderr(raw_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC));
    if (fd < 0)
        return false;
    long len = raw_call(SYS_read, fd, buf, sizeof(buf));
    raw_call(SYS_close, fd);
    unsigned found = 0;
    bool digit = false;
    for (long i = 0; i < len; i++) {
        bool was = digit;
        digit = buf[i] >= '0' && buf[i] <= '9';
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
