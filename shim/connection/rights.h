/*
 * rights: fds in SCM_RIGHTS messages (unix(7)).
 *
 * Owns: reading those messages, and knowing which are being sent right now. A connection that
 * is sent is shared from then on; an fd that is received is one we know nothing of. What stands
 * in a message is believed only where the kernel has checked it: of a UNIX socket, after the
 * call. Before, a bad pointer is EFAULT for the program, not a crash.
 */
#ifndef RIGHTS_H
#define RIGHTS_H

#include <stdbool.h>

struct msghdr;
struct mmsghdr;

/**
 * The call that follows sends msg, or count messages of msgs, which are not touched. Until
 * rights_done(), rights_in_flight() looks into them. Returns what rights_done() takes.
 */
int rights_sending(const struct msghdr *msg);
int rights_sending_many(const struct mmsghdr *msgs, unsigned count);

/** msg was sent through fd, successfully. */
void rights_sent(int fd, const struct msghdr *msg);

void rights_done(int sender);

/** The same where the thread left the call: it is a cancellation point. */
void rights_left(void *sender);

/**
 * Another thread may be sending fd at this moment: its connection must be taken for shared. No
 * system call while nobody sends messages.
 */
bool rights_in_flight(int fd);

/** msg was received, successfully. */
void rights_received(const struct msghdr *msg);

/** In a child of fork(): the threads that were sending are not here. */
void rights_in_child(void);

#endif
