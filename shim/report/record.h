/*
 * record: what a close was like.
 *
 * Owns: the record of one close, complete in itself. What is done with it: report.h.
 */
#ifndef RECORD_H
#define RECORD_H

#include "policy/address.h"
#include "policy/policy.h"
#include "policy/rules.h"

#include <stdbool.h>
#include <stdint.h>

/** The call that ended the connection. */
enum via { VIA_CLOSE, VIA_DUP2, VIA_FCLOSE, VIA_CLOSE_RANGE, VIA_DISCONNECT, VIA_EXIT };

struct record {
    const struct policy *policy; /* of settings.config.policies */
    enum role role;
    union address local, peer;
    int fd;
    enum via via;
    bool established; /* a connection that never was is not reported */
    bool recycled;    /* its port was taken over from a TIME_WAIT entry */
    uint32_t slot;    /* the connection's (policy/slots.h) */
    enum tcp_state state;
    enum last_op last;
    uint32_t unacked, unread; /* bytes */
    struct decision decision;
    int64_t connect_ns; /* -1 for servers and where the end of connect() was not seen */
    int64_t close_ns;   /* waits included; -1 where there was no call */
};

#endif
