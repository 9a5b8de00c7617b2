/*
 * sample: whether a peer answers with TCP timestamps, without which no port can be taken over.
 *
 * Owns: copies of sockets that are being connected. Each is held until the handshake is over,
 * or for SAMPLE_MS at most; as long as it is held, a close by the program sends nothing. So
 * there is one now and then, never one for each connection.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

/** What has been learnt. */
enum timestamps { TIMESTAMPS_UNKNOWN, TIMESTAMPS_USED, TIMESTAMPS_NONE };

/** Holds a copy of fd; *result is set once it is known. */
void sample_take(int fd, enum timestamps *result, int64_t now_ms);

/** What is known of that peer is not wanted any more. */
void sample_forget(const enum timestamps *result);

/** Looks at them; true while there are any. */
bool sample_look(int64_t now_ms);

#endif
