#include "launcher/report/data.h"

#include "launcher/memory.h"
#include "policy/errors.h"
#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *error_name(int error, char buf[16])
{
    const char *name = errors_name(error);
    if (name)
        return name;
    snprintf(buf, 16, "%d", error);
    return buf;
}

/** Copies text that need not end. */
static void copy_name(char *to, size_t size, const char *from)
{
    size_t len = strnlen(from, size - 1);
    memcpy(to, from, len);
    to[len] = '\0';
}

static bool is_row(const struct row *row, const char *program, const char *policy, bool washout)
{
    return row->washout == washout &&
           strncmp(row->policy, policy, sizeof(row->policy) - 1) == 0 &&
           strncmp(row->program, program, sizeof(row->program) - 1) == 0;
}

struct row *data_row(struct data *data, const char *program, const char *policy, bool washout)
{
    for (size_t i = data->rows_count; i-- > 0;)
        if (is_row(&data->rows[i], program, policy, washout))
            return &data->rows[i];
    data->rows = grow(data->rows, &data->rows_room, data->rows_count + 1, sizeof(*data->rows));
    struct row *row = &data->rows[data->rows_count++];
    *row = (struct row){.washout = washout, .time_wait_now = -1};
    copy_name(row->program, sizeof(row->program), program);
    copy_name(row->policy, sizeof(row->policy), policy);
    return row;
}

bool row_has_peer(const struct row *row, const struct peer_of *peer)
{
    for (size_t i = row->peers_count; i-- > 0;)
        if (row->peers[i].port == peer->port &&
            memcmp(&row->peers[i].address, &peer->address, sizeof(peer->address)) == 0)
            return true;
    return false;
}

void row_add_peer(struct row *row, const struct peer_of *peer)
{
    if (row_has_peer(row, peer))
        return;
    if (row->peers_count == PEERS_MOST) {
        row->more_peers++;
        return;
    }
    row->peers = grow(row->peers, &row->peers_room, row->peers_count + 1, sizeof(*row->peers));
    row->peers[row->peers_count++] = *peer;
}

uint64_t row_failed(const struct row *row)
{
    uint64_t sum = 0;
    for (int error = 0; error < BOARD_ERRORS; error++)
        sum += row->connect_errors[error];
    return sum;
}

bool row_has_outcomes(const struct row *row)
{
    uint64_t seen = row->closes + row->broken + row_failed(row);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        seen += row->connect_ns[i];
    return seen > 0;
}

static void add_all(uint64_t *to, const uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

static void add_row(struct row *arm, const struct row *row)
{
    arm->from_log = arm->from_log || row->from_log;
    arm->connections += row->connections;
    arm->closes += row->closes;
    arm->recycled += row->recycled;
    arm->resets += row->resets;
    arm->broken += row->broken;
    arm->more_peers += row->more_peers;
    add_all(arm->connect_errors, row->connect_errors, BOARD_ERRORS);
    add_all(arm->io_errors, row->io_errors, BOARD_ERRORS);
    add_all(arm->connect_ns, row->connect_ns, HISTOGRAM_BUCKETS);
    add_all(arm->close_ns, row->close_ns, HISTOGRAM_BUCKETS);
    for (size_t i = 0; i < row->peers_count; i++)
        row_add_peer(arm, &row->peers[i]);
}

/** The place of a policy in the order of policy.def, and what it is called behind all. */
static unsigned rank(const char *name)
{
    struct policy policy;
    return policy_parse(name, strlen(name), &policy) ? policy.kind : POLICY_KINDS;
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    unsigned rx = rank(x->policy);
    unsigned ry = rank(y->policy);
    return rx != ry ? (rx > ry) - (rx < ry) : strverscmp(x->policy, y->policy);
}

void data_arms(const struct data *data, struct data *arms)
{
    *arms = (struct data){.slots_missed = data->slots_missed,
                          .washout = data->washout,
                          .dropped = data->dropped,
                          .strange = data->strange};
    for (size_t i = 0; i < data->rows_count; i++) {
        struct row *arm = data_row(arms, "", data->rows[i].policy, false);
        if (data->rows[i].washout)
            arms->washout += data->rows[i].connections;
        else
            add_row(arm, &data->rows[i]);
    }
    if (arms->rows_count > 0)
        qsort(arms->rows, arms->rows_count, sizeof(*arms->rows), compare_rows);
}

void data_free(struct data *data)
{
    for (size_t i = 0; i < data->rows_count; i++)
        free(data->rows[i].peers);
    free(data->rows);
    free(data->slots);
    *data = (struct data){0};
}
