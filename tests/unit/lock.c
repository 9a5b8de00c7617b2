/*
 * lock: a signal handler gets the lock of ports at whatever moment it interrupts the thread
 * that takes or releases it. Prints how many signals there were, and fails where one was
 * refused.
 */
#include "kernel/lock.h"

#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

#define SIGNALS  20000
#define EVERY_US 50

static volatile sig_atomic_t signals, above, refused;

static void handler(int signal)
{
    (void)signal;
    enum lock_hold hold = lock_take(0);
    signals++;
    above += hold == LOCK_HELD_BELOW;
    refused += hold == LOCK_NOT_HELD;
    lock_release(hold);
}

int main(void)
{
    struct sigaction action = {.sa_handler = handler};
    struct itimerval timer = {{0, EVERY_US}, {0, EVERY_US}};
    unsigned lost = 0;
    if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &timer, NULL) != 0)
        return 2;
    while (signals < SIGNALS) {
        enum lock_hold hold = lock_take(0);
        lost += hold != LOCK_HELD;
        lock_release(hold);
    }
    printf("%d signals, %s above the holder, %d refused, %u lost\n", (int)signals,
           above ? "some" : "none", (int)refused, lost);
    return above == 0 || refused || lost;
}
