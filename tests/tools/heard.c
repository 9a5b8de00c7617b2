/*
 * heard: prints every signal that it gets, `N` or `N VALUE` where it was queued with one, a
 * line each, from `ready` on; SIGRTMAX, the last one in the order in which they are taken, ends
 * it. `heard --list` prints all of these numbers.
 */
#include <signal.h>
#include <stdio.h>

static int list(const sigset_t *all)
{
    for (int i = 1; i <= SIGRTMAX; i++)
        if (sigismember(all, i) > 0 && i != SIGKILL && i != SIGSTOP)
            printf("%d\n", i);
    return 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    sigset_t all;
    siginfo_t info;
    int got = 0;
    sigfillset(&all);
    if (argc > 1)
        return list(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    while (got != SIGRTMAX) {
        got = sigwaitinfo(&all, &info);
        printf("%d", got);
        if (info.si_code == SI_QUEUE)
            printf(" %d", info.si_value.sival_int);
        putchar('\n');
    }
    return 0;
}
