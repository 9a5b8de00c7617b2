/*
 * sharing: connect() from a local port that only others have connections from, to other peers.
 *
 * connect() chooses no port that was bound for another peer, though it is free towards this one
 * (facts 15c, 15d): ports that were taken over for one peer are missing for all. Owns: whether
 * such a port can be told, and which one is bound. Not locked: ports.c holds its lock.
 */
#ifndef SHARING_H
#define SHARING_H

#include "kernel/peers.h"

/**
 * After EADDRNOTAVAIL: takes a port that has no socket to the peer (lease_take_unused()), where
 * it is known that such sockets are found. Sets taker->wanted.
 */
enum took sharing_take(struct peer *peer, struct taker *taker, int64_t now_ms,
                       struct lease_entry *entry);

/** The last such port was had although no socket to the peer was seen. */
bool sharing_is_unseen(const struct peer *peer, int64_t now_ms);

/** After the connect() from such a port: its connection is found where it was looked for. */
bool sharing_finds(const struct peer *peer, const struct lease_entry *entry);

/** What follows from that, and from whether it lives still: one that is over tells nothing. */
void sharing_finish(struct peer *peer, bool found, bool lives, int64_t now_ms);

#endif
