/*
 * filter: the seccomp filter that has the kernel ask us before connect() and listen().
 *
 * Owns: which system calls are notified, and how the command gets the filter. Besides those
 * two it is what opens a connection by data (MSG_FASTOPEN). Everything else is allowed by its
 * number alone, which the kernel remembers: it costs nothing more (seccomp_cache_prepare()).
 */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** What a notified call is. */
enum call {
    CALL_NONE,
    CALL_CONNECT,
    CALL_LISTEN,
    CALL_SEND,
    CALL_SEND_MESSAGE,
    CALL_SEND_MESSAGES /* an array of them, which begins with the first one */
};

/** A call as the kernel shows it: its machine (AUDIT_ARCH_...), number and arguments. */
struct raw_call {
    uint32_t arch;
    int nr;
    uint64_t args[6];
};

/** CALL_NONE: one that the filter does not ask for. *multiplexed: the arguments lie in the
 * caller's memory (socketcall(2)), 32 bits each, at args[1]. *narrow: it is a 32-bit program.
 */
enum call filter_call(const struct raw_call *call, bool *multiplexed, bool *narrow);

/**
 * The fd that notifications are received from, or -1 with errno. EBUSY: a filter that is
 * inherited has one. For this process and its children, for good. Where CAP_SYS_ADMIN is
 * lacking, programs cannot gain rights any more (no_new_privs, prctl(2)).
 */
int filter_install(void);

/** Whether this kernel keeps signals, but those that kill, from calls that were received
 * (5.19): by trying what it says to a filter of no address. */
bool filter_keeps_signals(void);

/** Has who is notified and who waits take turns on one CPU (6.6), where the kernel can; whether
 * it can. */
bool filter_wakes_in_turn(int listener);

/** Hands the fd (>= 0), or an errno, to who reads the other end of the socket; twice. */
void filter_send(int socket, int fd, int error);

/** What filter_send() sent: an fd, or -1 with errno. */
int filter_receive(int socket);

#endif
