/*
 * until_term: a tool that works until SIGTERM or SIGINT, and then ends in good order.
 */
#ifndef UNTIL_TERM_H
#define UNTIL_TERM_H

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t ended;

static void on_term(int sig)
{
    (void)sig;
    ended = 1;
}

/* SIGTERM and SIGINT come only while it waits. */
static sigset_t hold_signals(void)
{
    struct sigaction action = {.sa_handler = on_term};
    sigset_t held, before_it;

    (void)sigemptyset(&held);
    (void)sigaddset(&held, SIGTERM);
    (void)sigaddset(&held, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &held, &before_it);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    return before_it;
}

#endif
