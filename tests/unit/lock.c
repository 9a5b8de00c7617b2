/*
 * lock: a signal handler gets the lock of ports at whatever moment it interrupts the thread
 * that takes or releases it. Prints how many signals there were, and fails where one was
 * refused, or where they cut a pause short. Then threads that share their thread-local storage
 * take it, as no two of them may at once, and one holds it for too long.
 */
#include "kernel/lock.h"
#include "kernel/process.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SIGNALS    20000
#define EVERY_US   50
#define PAUSE_MS   20
#define GIVE_UP_MS 20000

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

#define THREADS 2
#define TURNS   100000
#define OTHERS  16

static _Atomic int holding, together, ended;

static int take_turns(void *unused)
{
    (void)unused;
    for (int i = 0; i < TURNS; i++) {
        enum lock_hold hold = lock_take(0);
        if (hold && atomic_fetch_add(&holding, 1) > 0)
            atomic_fetch_add(&together, 1);
        if (hold)
            atomic_fetch_sub(&holding, 1);
        lock_release(hold);
    }
    atomic_fetch_add(&ended, 1);
    syscall(SYS_exit, 0); /* this thread alone */
    return 0;
}

/** How often two of them held the lock at once; -1: they cannot be made. */
static int share_storage(void)
{
    static _Alignas(16) char stacks[THREADS][65536];
    const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
    process_has_thread(); /* as our clone() says */
    for (int i = 0; i < THREADS; i++)
        if (clone(take_turns, stacks[i] + sizeof(stacks[i]), flags, NULL) < 0)
            return -1;
    while (atomic_load(&ended) < THREADS)
        sched_yield();
    return atomic_load(&together);
}

static void *go_without(void *unused)
{
    for (double end = now_ms() + GIVE_UP_MS; now_ms() < end && !lock_is_lost();)
        lock_release(lock_take(1));
    return unused;
}

/** What became of a lock that was held for so long that it counts as lost, and let go then. */
static const char *lost_and_found(void)
{
    pthread_t others[OTHERS]; /* a try yields the CPU a hundred times, to a busy machine */
    enum lock_hold hold = lock_take(0);
    for (int i = 0; i < OTHERS; i++)
        if (hold != LOCK_HELD || pthread_create(&others[i], NULL, go_without, NULL) != 0)
            return "not held";
    for (int i = 0; i < OTHERS; i++)
        pthread_join(others[i], NULL);
    if (!lock_is_lost())
        return "not lost";
    lock_release(hold);
    hold = lock_take(0);
    lock_release(hold);
    return hold == LOCK_HELD ? "lost and found" : "lost";
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
    struct itimerval none = {0};
    double begin = now_ms();
    lock_pause(PAUSE_MS);
    double pause = now_ms() - begin;
    setitimer(ITIMER_REAL, &none, NULL);
    int shared = share_storage();
    printf("a pause of %s\n", pause < PAUSE_MS ? "less" : "20 ms");
    printf("%d together\n", shared);
    puts(lost_and_found());
    printf("%d signals, %s above the holder, %d refused, %u lost\n", (int)signals,
           above ? "some" : "none", (int)refused, lost);
    return above == 0 || refused || lost || pause < PAUSE_MS || shared;
}
