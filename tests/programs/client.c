/*
 * client: connects, asks, prints the reply, closes: `client HOST PORT COUNT`. To be linked
 * statically, with any libc.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int once(const struct sockaddr_in *addr)
{
    char reply[100];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0 ||
        write(fd, "hello?\n", 7) != 7)
        return 1;
    ssize_t len = read(fd, reply, sizeof(reply));
    printf("%.*s", len > 0 ? (int)len : 0, reply);
    return close(fd) != 0 || len <= 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    int failed = argc != 4;
    if (failed || inet_pton(AF_INET, argv[1], &addr.sin_addr) != 1)
        return 2;
    addr.sin_port = htons((uint16_t)strtol(argv[2], NULL, 10));
    for (long i = strtol(argv[3], NULL, 10); i > 0; i--)
        failed += once(&addr);
    return failed > 0;
}
