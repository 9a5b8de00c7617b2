/*
 * board: statistics that are there while programs run, and a word that they obey
 * (NOTIMEWAIT_BOARD).
 *
 * Owns: the layout of the two files of a board, making them, and mapping them with every check.
 * Of the library and of the launcher. Who counts: tally.h; who obeys: connection/draw.h.
 *
 * A board is a directory on tmpfs with two files of fixed size:
 *
 * `counters` (struct board) is mapped shared by every process that names the board. A cell
 * counts for one program under one policy. It is claimed by its state, from CELL_FREE by
 * compare and exchange to CELL_NAMING, and is CELL_READY once its names are written. A process
 * that dies in between leaves a cell that nobody uses; two that claim at the same moment may
 * get a cell each for the same names, which are then one to a reader. Where all are taken the
 * last one counts, with no name. All counts are single atomic additions: whatever a process
 * dies of, at whatever instruction, its counts are there and the file is consistent.
 *
 * A count of a slot (NOTIMEWAIT_SPLIT=slot) has the slot's start in its upper half, as seconds
 * since 1970, and is nothing where that is not the start in the slot's key. So a place of the
 * ring is used again without being cleared, by one compare and exchange for each count.
 *
 * `switch` (struct board_switch) is mapped read-only by processes and written by the tool
 * alone: two texts, and one atomic word that says which of them is in force.
 *
 * All is in the byte order of the machine; 32-bit and 64-bit processes see the same layout.
 */
#ifndef BOARD_H
#define BOARD_H

#include "policy/histogram.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BOARD_MAGIC   UINT64_C(0x6472616f6274776e) /* "nwtboard" */
#define BOARD_VERSION 1

#define BOARD_CELLS   128
#define BOARD_PEERS   32  /* of a cell */
#define BOARD_ERRORS  134 /* EHWPOISON, the last one, is 133 */
#define BOARD_ACTIONS 8
#define BOARD_REASONS 32
#define BOARD_SLOTS   1024

/* A slot's times: four buckets to a power of two, from 1 us to 137 s. */
#define BOARD_SLOT_PARTS   4
#define BOARD_SLOT_FIRST   112 /* of histogram_bucket() */
#define BOARD_SLOT_BUCKETS 108

/* i386 aligns it by 4, or by 8, as the compiler's version is. */
typedef _Atomic uint64_t board_count __attribute__((aligned(8)));

struct board_head {
    uint64_t magic;
    uint32_t version, unused;
    uint64_t size; /* of the file, in bytes */
    uint64_t unused2[5];
};

enum { CELL_FREE, CELL_NAMING, CELL_READY };

/** To whom clients connected. */
struct board_peer {
    _Atomic uint32_t state;
    uint16_t port, unused; /* in host order */
    uint8_t address[16];   /* an IPv4 one v4-mapped */
};

struct board_cell {
    _Atomic uint32_t state;
    uint32_t washout; /* 1: only the wash-out of slots is counted here */
    char program[104], policy[32];
    board_count connections, closes, recycled;
    board_count more_peers; /* connections to peers that have no place here */
    board_count broken;     /* connections of which a read or a write failed */
    board_count actions[BOARD_ACTIONS], reasons[BOARD_REASONS];
    board_count connect_errors[BOARD_ERRORS], io_errors[BOARD_ERRORS];
    board_count connect_ns[HISTOGRAM_BUCKETS], close_ns[HISTOGRAM_BUCKETS];
    struct board_peer peers[BOARD_PEERS];
};

/** Each but the key has the slot's start in its upper half. */
struct board_slot {
    board_count key;    /* the start, and below it board_policy_word() of its arm */
    board_count length; /* seconds */
    board_count block;  /* in so many slots each arm gets its share; they begin at 0 */
    board_count connections, failed, no_port, broken;
    board_count connect_ns[BOARD_SLOT_BUCKETS], close_ns[BOARD_SLOT_BUCKETS];
};

struct board {
    struct board_head head;
    board_count slots_missed; /* connections of slots of which another arm has the place */
    board_count unused[7];
    struct board_cell cells[BOARD_CELLS + 1]; /* the last one is `other` */
    struct board_slot slots[BOARD_SLOTS];     /* slot number N at N % BOARD_SLOTS */
};

#define BOARD_WORD_SIZE 1008

struct board_switch {
    struct board_head head;
    /* The generation, and as its lowest bit which text is in force; 0: none ever was. */
    _Atomic uint32_t word;
    uint32_t unused[7];
    struct board_word {
        uint32_t len;
        uint32_t unused[3];
        char text[BOARD_WORD_SIZE];
    } words[2];
};

_Static_assert(__atomic_always_lock_free(sizeof(board_count), 0),
               "an addition is one instruction");
_Static_assert(sizeof(struct board_cell) == 13912, "the same for all classes");
_Static_assert(sizeof(struct board_slot) == 1784, "the same for all classes");
_Static_assert(sizeof(struct board_switch) == 2144, "the same for all classes");

/** A policy in 32 bits. */
static inline uint32_t board_policy_word(unsigned kind, uint32_t argument)
{
    return (uint32_t)kind << 24 | argument;
}

/** What a process has mapped; all NULL: nothing. */
struct board_view {
    struct board *counters;
    const struct board_switch *word; /* NULL also where it is a file of counters alone */
};

/**
 * Maps the board in the directory, or the launcher's own, a sealed file below /proc. Returns
 * NULL, or why it cannot be used, in words, with errno or 0.
 */
const char *board_open(const char *path, struct board_view *view);

/** Makes the directory and the files that are not there. As board_open(). */
const char *board_make(const char *directory);

/** An open file of counters that cannot be resized, or -1 with errno. */
int board_make_sealed(void);

#endif
