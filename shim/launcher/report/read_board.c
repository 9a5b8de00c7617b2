#include "launcher/report/read.h"

#include "kernel/diag.h"
#include "launcher/line.h"
#include "launcher/memory.h"
#include "policy/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What is copied out of a cell is plain memory, which nobody else writes to. */
static void copy_counts(uint64_t *to, board_count *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

static void add_peers(struct row *row, struct board_cell *cell)
{
    row->more_peers += cell->more_peers;
    for (size_t i = 0; i < BOARD_PEERS; i++) {
        struct peer_of peer = {.port = cell->peers[i].port};
        memcpy(&peer.address, cell->peers[i].address, sizeof(peer.address));
        if (cell->peers[i].state == CELL_READY)
            row_add_peer(row, &peer);
    }
}

static void add_cell(struct data *data, struct board_cell *cell, bool other)
{
    if (!other && cell->state != CELL_READY)
        return;
    struct row *row = data_row(data, other ? "" : cell->program, other ? "other" : cell->policy,
                               cell->washout);
    row->connections += cell->connections;
    row->closes += cell->closes;
    row->recycled += cell->recycled;
    row->resets += cell->actions[ACTION_RST];
    row->broken += cell->broken;
    copy_counts(row->connect_errors, cell->connect_errors, BOARD_ERRORS);
    copy_counts(row->io_errors, cell->io_errors, BOARD_ERRORS);
    copy_counts(row->connect_ns, cell->connect_ns, HISTOGRAM_BUCKETS);
    copy_counts(row->close_ns, cell->close_ns, HISTOGRAM_BUCKETS);
    add_peers(row, cell);
}

static bool is_used(struct board_cell *cell)
{
    return cell->connections > 0 || cell->closes > 0 || cell->connect_errors[EADDRNOTAVAIL] > 0;
}

/* --- slots --- */

/** A count of the slot; nothing where it is left of an earlier one. */
static uint64_t count_of(board_count count, uint64_t start)
{
    return count >> 32 == start ? count & UINT32_MAX : 0;
}

static void name_policy(char name[32], uint32_t word)
{
    struct policy policy = {.kind = word >> 24, .argument = word & 0xffffff};
    struct text text = text_in(name, 32);
    if (word >> 24 < POLICY_KINDS)
        policy_text(&text, &policy);
}

/** A slot that is over. */
static void add_slot(struct data *data, struct board_slot *slot, uint64_t now)
{
    uint64_t start = slot->key >> 32;
    uint64_t length = count_of(slot->length, start);
    data->by_slots = data->by_slots || start != 0;
    if (start == 0 || length == 0 || start + length > now)
        return;
    data->slots =
        grow(data->slots, &data->slots_room, data->slots_count + 1, sizeof(*data->slots));
    struct slot_row *row = &data->slots[data->slots_count++];
    *row = (struct slot_row){.start = start, .length = length};
    name_policy(row->policy, (uint32_t)slot->key);
    row->block = count_of(slot->block, start);
    row->connections = count_of(slot->connections, start);
    row->failed = count_of(slot->failed, start);
    row->broken = count_of(slot->broken, start);
    for (size_t i = 0; i < BOARD_SLOT_BUCKETS; i++) {
        row->connect_ns[i] = count_of(slot->connect_ns[i], start);
        row->close_ns[i] = count_of(slot->close_ns[i], start);
    }
}

/* --- files --- */

static bool read_whole(int fd, void *to, size_t size)
{
    char *at = to;
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(fd, at + done, size - done, (off_t)done);
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

static bool is_board(const struct board *board)
{
    return board->head.magic == BOARD_MAGIC && board->head.version == BOARD_VERSION &&
           board->head.size == sizeof(*board);
}

bool read_counters(struct data *data, int fd, const char *name)
{
    static struct board board;
    errno = 0;
    if (!read_whole(fd, &board, sizeof(board)) || !is_board(&board)) {
        complain("%s: it is no board of this version", name);
        return false;
    }
    for (size_t i = 0; i < BOARD_CELLS; i++)
        add_cell(data, &board.cells[i], false);
    if (is_used(&board.cells[BOARD_CELLS]))
        add_cell(data, &board.cells[BOARD_CELLS], true);
    for (size_t i = 0; i < BOARD_SLOTS; i++)
        add_slot(data, &board.slots[i], (uint64_t)time(NULL));
    data->slots_missed += board.slots_missed;
    return true;
}

bool read_board(struct data *data, const char *directory)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/counters", directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        complain("%s: %s", path, strerror(errno));
        return false;
    }
    bool read = read_counters(data, fd, directory);
    close(fd);
    return read;
}

/* --- the kernel --- */

static void count_time_wait(const struct diag_socket *socket, void *context)
{
    struct data *data = context;
    struct peer_of peer = {.address = address_in6(socket->family, socket->id.peer),
                           .port = ntohs(socket->id.peer_port)};
    for (size_t i = 0; i < data->rows_count; i++)
        data->rows[i].time_wait_now += row_has_peer(&data->rows[i], &peer);
}

void read_time_wait(struct data *data)
{
    int diag = diag_open();
    for (size_t i = 0; i < data->rows_count; i++)
        data->rows[i].time_wait_now = 0;
    bool told = diag >= 0 && diag_each(diag, 1u << STATE_TIME_WAIT, count_time_wait, data);
    for (size_t i = 0; i < data->rows_count && !told; i++)
        data->rows[i].time_wait_now = -1;
    if (diag >= 0)
        diag_close(diag);
}
