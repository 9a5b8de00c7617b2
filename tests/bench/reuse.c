/*
 * reuse: the preload that is often proposed against TIME_WAIT: SO_REUSEADDR and SO_REUSEPORT on
 * every socket that connects. It is here to be compared (tests/bench/bench, alternatives).
 */
#include <dlfcn.h>
#include <string.h>
#include <sys/socket.h>

typedef int connect_function(int fd, const struct sockaddr *addr, socklen_t len);

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    static connect_function *next;
    void *found = next ? NULL : dlsym(RTLD_NEXT, "connect");
    if (found)
        memcpy(&next, &found, sizeof next);
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    return next ? next(fd, addr, len) : -1;
}
