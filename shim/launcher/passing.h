/*
 * passing: which signals the launcher passes on to the command in whose place it stands, and
 * how.
 *
 * What is sent to the launcher is meant for the command. Not meant for it is what the launcher
 * has caused itself, and what the command has had from the same source.
 */
#ifndef PASSING_H
#define PASSING_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/**
 * Every signal that can be held. A fault of our own ends us nevertheless: the kernel does not
 * let that one be blocked (force_sig()).
 */
void passing_all(sigset_t *all);

/** Whether the signal, which we have received, is to be sent to this child of ours. */
bool passing_is_due(const siginfo_t *info, pid_t child);

/** Sends it, with its value where it has one (sigqueue(3)). */
void passing_send(pid_t child, const siginfo_t *info);

/** One that stops a process, and can be held: SIGTSTP, SIGTTIN, SIGTTOU. */
bool passing_stops(int signal);

/** One by which a user ends an experiment: SIGINT, SIGTERM, SIGHUP, SIGQUIT; not if ignored. */
bool passing_ends(int signal);

#endif
