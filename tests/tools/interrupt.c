/*
 * interrupt: connect() that does not block, under signals whose handler has no SA_RESTART:
 * `interrupt PORT CONNECTS EVERY_US`.
 *
 * Prints `interrupt: connects=N interrupted=N unbegun=N failed=N`: how many connect() calls
 * said EINTR, of how many of these the kernel had not even begun to connect (the state is
 * CLOSE: a program takes that for "under way"), and what else failed. The sockets are reset at
 * the end, so that they leave no TIME_WAIT.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int connects, interrupted, unbegun, failed;

static void handler(int signal)
{
    (void)signal;
}

static int number(const char *word)
{
    return (int)strtol(word, NULL, 10);
}

static int is_closed(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
           info.tcpi_state == TCP_CLOSE;
}

static void connect_once(int port)
{
    static const struct linger reset = {1, 0};
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result = connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
    int error = result == 0 ? 0 : errno;
    connects++;
    interrupted += error == EINTR;
    unbegun += error == EINTR && is_closed(fd);
    if (error && error != EINTR && error != EINPROGRESS) {
        failed++;
        fprintf(stderr, "interrupt: connect: %s\n", strerror(error));
    }
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = handler};
    if (argc != 4)
        return 2;
    struct itimerval timer = {{0, number(argv[3])}, {0, number(argv[3])}};
    if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &timer, NULL) != 0)
        return 2;
    while (connects < number(argv[2]))
        connect_once(number(argv[1]));
    printf("interrupt: connects=%d interrupted=%d unbegun=%d failed=%d\n", connects,
           interrupted, unbegun, failed);
    return failed > 0;
}
