/*
 * guard: for how long the supervisor keeps a port from others, step by step: `guard WORD...`.
 * The time is this program's, and so is what the kernel tells: the entry is there until `gone`.
 *
 *   call:THREAD  the thread makes a notified call
 *   hold:THREAD  a port is taken for its call
 *   gone         the entry is not there any more
 *   pass:MS      time passes; prints how many looks there were since, and `held` or `free`
 */
#include "launcher/supervise/guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int64_t now_ms = 1000;
static unsigned looks;
static bool gone;

/* --- the kernel --- */

bool lease_look(struct diag_socket *socket, uint16_t port)
{
    (void)port;
    looks++;
    socket->state = gone ? STATE_CLOSE : STATE_TIME_WAIT;
    return true;
}

uint64_t diag_cookie(const struct diag_socket *socket)
{
    return socket->id.cookie[0];
}

/* --- the words --- */

static void hold(pid_t thread)
{
    static const struct diag_socket wanted = {.family = AF_INET, .id.cookie = {7}};
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (const struct sockaddr *)&addr, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) != 0)
        exit(2);
    struct lease_entry entry = {.port = ntohs(addr.sin_port), .cookie = 7};
    guard_hold(fd, thread, &entry, &wanted, AF_INET, now_ms);
}

static void pass(int ms)
{
    static const char *comma = "";
    now_ms += ms;
    looks = 0;
    bool held = guard_expire(now_ms) >= 0;
    printf("%s%u %s", comma, looks, held ? "held" : "free");
    comma = ",";
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *colon = strchr(argv[i], ':');
        int number = colon ? (int)strtol(colon + 1, NULL, 10) : 0;
        if (strncmp(argv[i], "call:", 5) == 0)
            guard_heard(number);
        else if (strncmp(argv[i], "hold:", 5) == 0)
            hold(number);
        else if (strncmp(argv[i], "pass:", 5) == 0)
            pass(number);
        else if (strcmp(argv[i], "gone") == 0)
            gone = true;
        else
            return 2;
    }
    return 0;
}
