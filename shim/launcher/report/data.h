/*
 * data: what boards and logs say, by program and policy.
 *
 * Owns: the rows, how they are added up to arms, and the slots. Who reads: read.h.
 */
#ifndef REPORT_DATA_H
#define REPORT_DATA_H

#include "policy/address.h"
#include "report/board.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEERS_MOST 1024 /* of a row */

/** To whom clients connected; an IPv4 address v4-mapped. */
struct peer_of {
    struct in6_addr address;
    uint16_t port;
};

/** What is counted for one program under one policy. */
struct row {
    char program[104], policy[32];
    bool washout;
    bool from_log; /* so it knows of no failed connects */
    uint64_t connections, closes, recycled, resets, broken;
    uint64_t connect_errors[BOARD_ERRORS], io_errors[BOARD_ERRORS];
    uint64_t connect_ns[HISTOGRAM_BUCKETS], close_ns[HISTOGRAM_BUCKETS];
    uint64_t more_peers; /* connections to peers that have no place in `peers` */
    struct peer_of *peers;
    size_t peers_count, peers_room;
    int64_t time_wait_now; /* -1: not known */
};

/** A slot of an arm, which is over. */
struct slot_row {
    char policy[32];
    uint64_t start, length, block;
    uint64_t connections, failed, broken;
    uint64_t connect_ns[BOARD_SLOT_BUCKETS], close_ns[BOARD_SLOT_BUCKETS];
};

struct data {
    struct row *rows;
    size_t rows_count, rows_room;
    struct slot_row *slots;
    size_t slots_count, slots_room;
    bool by_slots;         /* slots are counted, be it that none is over yet */
    uint64_t slots_missed; /* connections of slots of which another arm has the place */
    uint64_t washout;      /* connections of wash-outs */
    uint64_t dropped;      /* records that a log could not take */
    uint64_t strange;      /* lines of a log that are no records */
};

/** The row, which is made where it is not there. A name may have no end: names are cut. */
struct row *data_row(struct data *data, const char *program, const char *policy, bool washout);

void row_add_peer(struct row *row, const struct peer_of *peer);

/** Rows of the same policy in one, wash-out left out, in the order of the policies. */
void data_arms(const struct data *data, struct data *arms);

uint64_t row_failed(const struct row *row);
/** Something is known of how its connections went: not of those that only a supervisor saw. */
bool row_has_outcomes(const struct row *row);
bool row_has_peer(const struct row *row, const struct peer_of *peer);

void data_free(struct data *data);

/** "ECONNREFUSED"; a number in `buf` where it has no name. */
const char *error_name(int error, char buf[16]);

#endif
