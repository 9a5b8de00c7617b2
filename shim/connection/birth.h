/*
 * birth: a socket becomes a TCP connection.
 *
 * Owns: what is recorded and armed at socket(), connect(), accept(), a Fast Open send, and for
 * the fds that a process is started with. errno is left as it was.
 */
#ifndef BIRTH_H
#define BIRTH_H

#include "connection/conn.h"

/** Seeds the draws between the policies of a split; called once, before main. */
void birth_init(void);

/** The application set a linger of its own, and it is respected: the connection is off. */
bool birth_app_linger(struct conn *c);

/** c is established: counts it, once. */
void birth_count(struct conn *c);

/** socket() returned fd: remembers whether it is TCP; nothing is done to it. */
void birth_socket(int fd, int domain, int type, int protocol, uint32_t epoch);

/** A connect() or a Fast Open send that is under way. */
struct birth {
    int fd;
    struct conn *c;      /* NULL: not ours */
    uint32_t generation; /* c's */
    int64_t begun;       /* clock_now(), for the statistics */
};

/** Before the call: settles the policy, and arms if it is one that the kernel alone can carry.
 */
struct birth birth_connecting(int fd, const struct sockaddr *addr, socklen_t len);

/** The same for a send: one with MSG_FASTOPEN may begin a connection (tcp(7)). */
struct birth birth_sending(int fd, int flags, const struct sockaddr *addr, socklen_t len);

/** After the call, which returned r with errno; addr is read only if the kernel has taken it.
 */
void birth_connected(struct birth *birth, long r, const struct sockaddr *addr, socklen_t len);

/** The same after sendmsg(). */
void birth_sent(struct birth *birth, long r, const struct msghdr *msg);

/** accept() on `listener` returned fd; epoch as it was before the call. */
void birth_accepted(int listener, int fd, uint32_t epoch);

/** The program was told `error`, an errno, by SO_ERROR: a connect() that was under way failed,
 * unless fd has been established before. */
void birth_failed(int fd, int error);

/** Before a fork, and in its child: a seed's children draw differently. */
void birth_forking(void);
void birth_in_child(void);

/** Looks once at an fd that the process was started with. */
void birth_inherited(int fd);

/** After connect(AF_UNSPEC): no connection any more, perhaps another one later. */
void birth_undo(int fd, struct conn *c);

/**
 * Sets TCP_LINGER2, or takes it back, after the application changed a linger of its own;
 * overwritten: TCP_LINGER2 itself.
 */
void birth_rearm(int fd, struct conn *c, bool overwritten);

#endif
