/*
 * facts: what the kernel says of a TCP socket.
 *
 * Owns: the questions (getsockopt, ioctl) and how the answers are read. Changes nothing.
 */
#ifndef FACTS_H
#define FACTS_H

#include "policy/address.h"
#include "policy/policy.h"

/** What TCP_INFO says (tcp(7), struct tcp_info in linux/tcp.h). */
struct tcp_facts {
    enum tcp_state state;
    bool established;  /* it once was */
    bool unacked;      /* data, or our FIN, that the peer has not acknowledged */
    uint64_t sent;     /* data bytes, those in our queue and retransmitted ones included */
    uint64_t acked;    /* data bytes, and the SYN of who has connected */
    uint64_t received; /* data bytes, unread ones included */
    uint32_t sent_ms, received_ms; /* ago: the last data, also sent again; by jiffies */
};

/** SO_PROTOCOL is TCP: neither UDP, UNIX... nor MPTCP. */
bool facts_is_tcp(int fd);

/** SO_ACCEPTCONN: the socket listens. */
bool facts_is_listener(int fd);

/** SO_COOKIE, which no other socket of this boot has; 0 when fd is no socket. */
uint64_t facts_cookie(int fd);

/** The index of the interface that the socket is bound to (SO_BINDTODEVICE), or 0. */
uint32_t facts_interface(int fd);

/** The value of TCP_LINGER2 (tcp(7)): -1 where FIN is to be followed by RST; 0 on error. */
int facts_linger2(int fd);

/** getsockname(), getpeername(); AF_UNSPEC where the kernel does not tell. */
void facts_local(int fd, union address *local);
void facts_peer(int fd, union address *peer);

/** Seconds of the application's SO_LINGER (socket(7)); -1 where it is off, or on error. */
int facts_linger(int fd);

/** TCP_INFO; state CLOSE when fd is no TCP socket. */
struct tcp_facts facts_ask(int fd);

/** Whether there is input, or the peer's EOF, or an urgent byte; poll(), without side effect.
 */
bool facts_has_input(int fd);

/** SIOCINQ: bytes received and not read. An urgent byte does not count. */
uint32_t facts_unread(int fd);

/** SIOCOUTQ: bytes not acknowledged, our FIN being one; > 0 whenever tcp->unacked. */
uint32_t facts_unacked(int fd, const struct tcp_facts *tcp);

/** What LAST_UNKNOWN is taken for: a read where all that came was read, ours is acknowledged,
 * and nothing was sent since it came; of what came and went in one jiffy, what `guess` says. */
enum last_op facts_resolve_last(enum last_op last, const struct tcp_facts *tcp, uint32_t unread,
                                enum last_op guess);

#endif
