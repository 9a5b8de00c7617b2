/*
 * sockets: the TCP sockets of a running process, from outside.
 *
 * Owns: how copies of them are got (pidfd_getfd(2)), and why not.
 */
#ifndef SOCKETS_H
#define SOCKETS_H

#include "policy/address.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** One of them, asked. */
struct process_socket {
    int copy;   /* an fd of ours, closed after the visit */
    int number; /* the process's fd */
    enum tcp_state state;
    union address local, peer;
    uint64_t cookie;
    int linger2;           /* TCP_LINGER2: -1 armed, otherwise s */
    bool lingers;          /* SO_LINGER is on */
    bool reusable;         /* SO_REUSEADDR */
    bool late_port;        /* IP_BIND_ADDRESS_NO_PORT */
    bool seen_from_inside; /* the library has marked it (lever_mark_as_seen()) */
};

typedef void socket_visit(const struct process_socket *socket, void *context);

/** Visits every TCP socket that the process has; 0, or an errno: ESRCH it is not there, EPERM
 * its sockets may not be copied. */
int sockets_each(pid_t process, socket_visit *visit, void *context);

/** What is missing where sockets_each() said so, as the rest of a line. */
const char *sockets_why_not(int error);

/** Visits the process, and with `tree` all that it has started and that still run. */
void sockets_each_process(pid_t process, bool tree, void (*visit)(pid_t process, void *context),
                          void *context);

/** The name that the kernel has for the process (proc_pid_comm(5)); "" where there is none. */
void sockets_process_name(pid_t process, char *name, size_t size);

/** A pid; 0, after a complaint, where the word is none. */
pid_t sockets_parse_pid(const char *word);

#endif
