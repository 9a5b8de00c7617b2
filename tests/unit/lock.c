/*
 * lock: a signal handler gets the lock of ports at whatever moment it interrupts the thread
 * that takes or releases it. Prints how many signals there were, and fails where one was
 * refused, or where they cut a pause short.
 */
#include "kernel/lock.h"

#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

#define SIGNALS  20000
#define EVERY_US 50
#define PAUSE_MS 20

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

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
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
    double begin = now_ms();
    lock_pause(PAUSE_MS);
    double pause = now_ms() - begin;
    printf("a pause of %s\n", pause < PAUSE_MS ? "less" : "20 ms");
    printf("%d signals, %s above the holder, %d refused, %u lost\n", (int)signals,
           above ? "some" : "none", (int)refused, lost);
    return above == 0 || refused || lost || pause < PAUSE_MS;
}
