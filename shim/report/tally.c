#include "report/tally.h"

#include "kernel/process.h"
#include "policy/settings.h"
#include "policy/text.h"
#include "report/board.h"
#include "report/word.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static struct board_view view;

/* As settings.config.policies, and with each its wash-out; NULL: not claimed yet. */
static struct board_cell *_Atomic cells[POLICIES_MAX][2];

/* Whose connections are counted; NULL: this process's. */
static const char *program_of;

void tally_use(const struct board_view *board)
{
    view = *board;
    word_board = view.word;
}

void tally_for(const char *program)
{
    program_of = program;
    memset(cells, 0, sizeof(cells));
}

/* --- cells --- */

static void add(board_count *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

/** Where the search for a cell begins: FNV-1a of its names. */
static uint32_t hash(const char *program, const char *policy, bool washout)
{
    uint32_t h = UINT32_C(2166136261) + washout;
    for (const char *p = program; *p; p++)
        h = (h ^ (unsigned char)*p) * UINT32_C(16777619);
    for (const char *p = policy; *p; p++)
        h = (h ^ (unsigned char)*p) * UINT32_C(16777619);
    return h;
}

/** field[size], which others may write to, holds this text. */
static bool is_text(const char *field, size_t size, const char *text)
{
    size_t len = strlen(text) + 1;
    return len <= size && memcmp(field, text, len) == 0;
}

static bool is_named(const struct board_cell *cell, const char *program, const char *policy,
                     bool washout)
{
    return cell->washout == washout && is_text(cell->policy, sizeof(cell->policy), policy) &&
           is_text(cell->program, sizeof(cell->program), program);
}

/** Makes a free cell that of these names; false where another process was faster. */
static bool claim_cell(struct board_cell *cell, const char *program, const char *policy,
                       bool washout)
{
    uint32_t free = CELL_FREE;
    if (!atomic_compare_exchange_strong(&cell->state, &free, CELL_NAMING))
        return false;
    struct text text = text_in(cell->program, sizeof(cell->program));
    text_str(&text, program);
    text = text_in(cell->policy, sizeof(cell->policy));
    text_str(&text, policy);
    cell->washout = washout;
    atomic_store(&cell->state, CELL_READY);
    return true;
}

/** The cell of the program and the policy; `other` where all are taken. */
static struct board_cell *find_cell(const struct policy *policy, bool washout)
{
    char buf[32];
    struct text name = text_in(buf, sizeof(buf));
    const char *program = program_of ? program_of : process_program();
    policy_text(&name, policy);
    uint32_t first = hash(program, buf, washout);
    for (uint32_t i = 0; i < BOARD_CELLS; i++) {
        struct board_cell *cell = &view.counters->cells[(first + i) % BOARD_CELLS];
        uint32_t state = atomic_load(&cell->state);
        if (state == CELL_READY && is_named(cell, program, buf, washout))
            return cell;
        if (state == CELL_FREE && claim_cell(cell, program, buf, washout))
            return cell;
    }
    return &view.counters->cells[BOARD_CELLS];
}

static struct board_cell *cell_of(const struct policy *policy, uint32_t slot)
{
    bool washout = slot == SLOT_WASHOUT;
    struct board_cell *_Atomic *place = &cells[policy - settings.config.policies.all][washout];
    struct board_cell *cell = atomic_load_explicit(place, memory_order_acquire);
    if (__builtin_expect(!cell, 0)) {
        cell = find_cell(policy, washout);
        atomic_store_explicit(place, cell, memory_order_release);
    }
    return cell;
}

/* --- slots --- */

static struct board_slot *place_of(uint32_t start)
{
    return &view.counters->slots[start / settings.config.slot_seconds % BOARD_SLOTS];
}

static uint64_t of_slot(uint32_t start, uint32_t value)
{
    return (uint64_t)start << 32 | value;
}

/** Adds to a count of the slot; what is left of an earlier one is nothing. */
static void add_in_slot(board_count *count, uint32_t start)
{
    uint64_t old = atomic_load_explicit(count, memory_order_relaxed);
    uint64_t sum;
    do {
        if (old >> 32 > start || old == of_slot(start, UINT32_MAX))
            return;
        sum = old >> 32 == start ? old + 1 : of_slot(start, 1);
    } while (!atomic_compare_exchange_weak_explicit(count, &old, sum, memory_order_relaxed,
                                                    memory_order_relaxed));
}

static void set_in_slot(board_count *place, uint32_t start, uint32_t value)
{
    if (atomic_load_explicit(place, memory_order_relaxed) != of_slot(start, value))
        atomic_store_explicit(place, of_slot(start, value), memory_order_relaxed);
}

static uint64_t key_of(uint32_t start, const struct policy *policy)
{
    return of_slot(start, board_policy_word(policy->kind, policy->argument));
}

uint32_t tally_slot(const struct slot *slot, const struct policy *policy, uint32_t length,
                    uint32_t block)
{
    if (slot->washout || !view.counters)
        return slot->washout ? SLOT_WASHOUT : SLOT_NONE;
    struct board_slot *place = place_of(slot->start);
    uint64_t mine = key_of(slot->start, policy);
    uint64_t key = atomic_load(&place->key);
    while (key >> 32 < slot->start)
        if (atomic_compare_exchange_weak(&place->key, &key, mine))
            key = mine;
    if (key != mine) {
        add(&view.counters->slots_missed);
        return SLOT_NONE;
    }
    set_in_slot(&place->length, slot->start, length);
    set_in_slot(&place->block, slot->start, block);
    return slot->start;
}

/** The place of a connection's slot; NULL where it has none, or the ring has gone round. */
static struct board_slot *slot_of(const struct policy *policy, uint32_t slot)
{
    if (__builtin_expect(slot < SLOT_FIRST, 1))
        return NULL;
    struct board_slot *place = place_of(slot);
    return atomic_load(&place->key) == key_of(slot, policy) ? place : NULL;
}

static void add_slot_time(board_count times[BOARD_SLOT_BUCKETS], uint32_t start,
                          unsigned bucket)
{
    unsigned coarse = bucket < BOARD_SLOT_FIRST
                          ? 0
                          : (bucket - BOARD_SLOT_FIRST) / (HISTOGRAM_PARTS / BOARD_SLOT_PARTS);
    add_in_slot(&times[coarse < BOARD_SLOT_BUCKETS ? coarse : BOARD_SLOT_BUCKETS - 1], start);
}

/* --- what is counted --- */

void tally_connection(const struct policy *policy, uint32_t slot)
{
    struct board_slot *in = slot_of(policy, slot);
    add(&cell_of(policy, slot)->connections);
    if (in)
        add_in_slot(&in->connections, slot);
}

void tally_recycled(const struct policy *policy, uint32_t slot)
{
    add(&cell_of(policy, slot)->recycled);
}

void tally_connect_time(const struct policy *policy, uint32_t slot, uint64_t ns)
{
    struct board_slot *in = slot_of(policy, slot);
    unsigned bucket = histogram_bucket(ns);
    add(&cell_of(policy, slot)->connect_ns[bucket]);
    if (in)
        add_slot_time(in->connect_ns, slot, bucket);
}

void tally_connect_error(const struct policy *policy, uint32_t slot, int error)
{
    struct board_slot *in = slot_of(policy, slot);
    if (error >= BOARD_ERRORS)
        return;
    add(&cell_of(policy, slot)->connect_errors[error]);
    if (in)
        add_in_slot(&in->failed, slot);
    if (in && error == EADDRNOTAVAIL)
        add_in_slot(&in->no_port, slot);
}

void tally_io_error(const struct policy *policy, uint32_t slot, int error, bool first)
{
    struct board_cell *cell = cell_of(policy, slot);
    struct board_slot *in = slot_of(policy, slot);
    if (error >= BOARD_ERRORS)
        return;
    add(&cell->io_errors[error]);
    if (first)
        add(&cell->broken);
    if (in && first)
        add_in_slot(&in->broken, slot);
}

void tally_close(const struct record *record)
{
    struct board_cell *cell = cell_of(record->policy, record->slot);
    struct board_slot *in = slot_of(record->policy, record->slot);
    add(&cell->closes);
    add(&cell->actions[record->decision.action]);
    add(&cell->reasons[record->decision.reason]);
    if (record->close_ns < 0)
        return;
    unsigned bucket = histogram_bucket((uint64_t)record->close_ns);
    add(&cell->close_ns[bucket]);
    if (in)
        add_slot_time(in->close_ns, record->slot, bucket);
}

/* --- peers --- */

static bool is_peer(const struct board_peer *place, const struct in6_addr *address,
                    uint16_t port)
{
    return place->port == port && memcmp(place->address, address, sizeof(*address)) == 0;
}

/** False where another process was faster. */
static bool claim_peer(struct board_peer *place, const struct in6_addr *address, uint16_t port)
{
    uint32_t free = CELL_FREE;
    if (!atomic_compare_exchange_strong(&place->state, &free, CELL_NAMING))
        return false;
    place->port = port;
    memcpy(place->address, address, sizeof(place->address));
    atomic_store(&place->state, CELL_READY);
    return true;
}

static void note_peer(struct board_cell *cell, const struct in6_addr *address, uint16_t port)
{
    for (unsigned i = 0; i < BOARD_PEERS; i++) {
        struct board_peer *place = &cell->peers[i];
        uint32_t state = atomic_load_explicit(&place->state, memory_order_acquire);
        if ((state == CELL_READY && is_peer(place, address, port)) ||
            (state == CELL_FREE && claim_peer(place, address, port)))
            return;
    }
    add(&cell->more_peers);
}

void tally_peer(const struct policy *policy, uint32_t slot, const union address *peer)
{
    if (peer->any.sa_family == AF_INET) {
        struct in6_addr address = address_in6(AF_INET, &peer->in.sin_addr);
        note_peer(cell_of(policy, slot), &address, address_port(peer));
    } else if (peer->any.sa_family == AF_INET6) {
        note_peer(cell_of(policy, slot), &peer->in6.sin6_addr, address_port(peer));
    }
}
