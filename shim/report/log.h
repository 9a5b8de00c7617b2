/*
 * report: what a close was like, for the operator.
 *
 * Owns: the record, and the JSON line of NOTIMEWAIT_LOG. What is counted: stats.h; where
 * either goes: sink.h.
 */
#ifndef REPORT_H
#define REPORT_H

#include "connection/conn.h"
#include "kernel/facts.h"
#include "policy/policy.h"

/** The call that ended the connection. */
enum via { VIA_CLOSE, VIA_DUP2, VIA_FCLOSE, VIA_CLOSE_RANGE, VIA_DISCONNECT, VIA_EXIT };

struct record {
    int fd;
    enum via via;
    bool established; /* a connection that never was is not reported */
    enum tcp_state state;
    enum last_op last;
    uint32_t unacked, unread; /* bytes */
    struct decision decision;
    int64_t close_ns; /* waits included; -1 where there was no call */
};

/** Logs and counts the close of c, as far as that is asked for. */
void report_close(const struct record *record, const struct conn *c);

#endif
