/*
 * birth: a socket becomes a TCP connection.
 *
 * Owns: what is recorded and set at socket(), connect(), accept(), a Fast Open send, and for
 * the fds that a process is started with. errno is left as it was.
 */
#ifndef BIRTH_H
#define BIRTH_H

#include "connection/conn.h"
#include "connection/draw.h"
#include "kernel/ports.h"

#include <sys/socket.h>

/** c is established: counts it, once. */
void birth_count(struct conn *c);

/** socket() returned fd: remembers whether it is TCP; nothing is done to it. */
void birth_socket(int fd, int domain, int type, int protocol, uint32_t epoch);

/** A connect() or a Fast Open send that is under way. */
struct birth {
    int fd;
    struct conn *c;           /* NULL: none is recorded behind fd */
    bool foreign;             /* nothing is known of fd: it may be a socket from elsewhere */
    uint32_t generation;      /* c's */
    int64_t begun;            /* clock_now(), for records and statistics */
    int saved;                /* errno, which a call that succeeds leaves alone */
    struct drawn drawn;       /* settled already, to decide on its port; or nothing */
    bool fast_open;           /* a send that may succeed before there is a connection */
    bool reusable;            /* ports_make_reusable() was called */
    struct ports_claim claim; /* of a port that is taken over */
};

/** bind() succeeded: the application has chosen its port, or its address. */
void birth_bound(int fd);

/** Before the call: takes a port over where ports are scarce. */
struct birth birth_connecting(int fd, const struct sockaddr *addr, socklen_t len);

/** The same for a send: one with MSG_FASTOPEN may begin a connection (tcp(7)). */
struct birth birth_sending(int fd, int flags, const struct sockaddr *addr, socklen_t len);

/**
 * After the call, which returned r with errno: where it found no port, takes one over. Returns
 * whether it did: then the call is to be made once more, and errno is what it was before the
 * first one; otherwise it stays.
 */
bool birth_found_port(struct birth *birth, long r, const struct sockaddr *addr, socklen_t len);

/** The same of sendmsg(), whose message the kernel has read where it said EADDRNOTAVAIL. */
bool birth_message_found_port(struct birth *birth, long r, const struct msghdr *msg);

/**
 * After the call, which returned r with errno: settles the policy and sets what it wants set.
 * addr is read only if the kernel has taken it.
 */
void birth_connected(struct birth *birth, long r, const struct sockaddr *addr, socklen_t len);

/** The same after sendmsg(). */
void birth_sent(struct birth *birth, long r, const struct msghdr *msg);

/** accept() on `listener` returned fd; epoch as it was before the call. */
void birth_accepted(int listener, int fd, uint32_t epoch);

/** c is marked CONN_TO_LOOK_AT: looks at its port, now that connect() is over. */
void birth_look(int fd, struct conn *c);

/** Looks once at an fd that the process was started with. */
void birth_inherited(int fd);

/** After connect(AF_UNSPEC): no connection any more, perhaps another one later. */
void birth_undo(int fd, struct conn *c);

#endif
