/*
 * misses: `misses PORT N`: after EADDRNOTAVAIL the library wants a TIME_WAIT port to
 * 127.0.0.1:PORT, and does not get the lock of ports N times in a row, since this program has
 * it. Prints `taken` or `not taken`. The kernel and its entries are real.
 */
#include "kernel/lock.h"
#include "kernel/ports.h"
#include "kernel/process.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static unsigned left;

/* --- the lock --- */

enum lock_hold lock_take(unsigned wait_ms)
{
    (void)wait_ms;
    if (left == 0)
        return LOCK_HELD;
    left--;
    return LOCK_NOT_HELD;
}

void lock_release(enum lock_hold hold)
{
    (void)hold;
}

bool lock_is_lost(void)
{
    return false;
}

void lock_reset(void)
{
}

void lock_pause(long ms)
{
    (void)ms;
}

void lock_hold_signals(struct lock_signals *before)
{
    (void)before;
}

void lock_let_signals(const struct lock_signals *before)
{
    (void)before;
}

static void in_child(void)
{
}

int main(int argc, char **argv)
{
    union address peer = {.in = {.sin_family = AF_INET}};
    struct ports_claim claim;
    if (argc != 3)
        return 2;
    process_init(in_child);
    peer.in.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    peer.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    left = (unsigned)strtoul(argv[2], NULL, 10);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool taken =
        ports_make_reusable(fd) && ports_take(fd, &peer, 0, PORTS_AFTER_EADDRNOTAVAIL, &claim);
    puts(taken ? "taken" : "not taken");
    return 0;
}
