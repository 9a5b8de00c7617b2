/*
 * A server for the tests of real programs: `server PORT` answers a request of HTTP on
 * 127.0.0.1, and closes first. It knows nothing of the library.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void answer(int fd)
{
    static const char reply[] = "HTTP/1.0 200 OK\r\n\r\nhello\n";
    char request[4096];
    size_t len = 0;
    ssize_t n = 1;
    while (n > 0 && len < sizeof(request) && !memmem(request, len, "\r\n\r\n", 4)) {
        n = read(fd, request + len, sizeof(request) - len);
        len += n > 0 ? (size_t)n : 0;
    }
    if (write(fd, reply, sizeof(reply) - 1) < 0)
        _exit(1);
    close(fd);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_port = htons((uint16_t)strtol(argc > 1 ? argv[1] : "0", NULL, 10));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(listener, 100) != 0)
        return 1;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;)
        answer(fd);
    return 1;
}
