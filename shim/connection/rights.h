/*
 * rights: fds in SCM_RIGHTS messages (unix(7)).
 *
 * Owns: reading those messages. A connection that is sent is shared from then on; an fd
 * that is received is one we know nothing of.
 */
#ifndef RIGHTS_H
#define RIGHTS_H

struct msghdr;

/** msg was sent, successfully: a bad one is the kernel's to refuse. */
void rights_sent(const struct msghdr *msg);

/** msg was received, successfully. */
void rights_received(const struct msghdr *msg);

#endif
