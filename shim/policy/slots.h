/*
 * slots: which arm of a split a stretch of wall-clock time belongs to (NOTIMEWAIT_SPLIT=slot).
 *
 * Pure: a function of the time, the seed and the weights, so that it is the same in every
 * process of every host.
 */
#ifndef SLOTS_H
#define SLOTS_H

#include "policy/rules.h"

#include <stdbool.h>
#include <stdint.h>

#define SLOT_LEAST 10 /* seconds */
#define SLOT_MOST  86400

/** What a connection's slot is, where it has none that counts. */
enum { SLOT_NONE, SLOT_WASHOUT, SLOT_FIRST };

/** A moment's slot. */
struct slot {
    uint64_t number; /* from 1970 on */
    uint32_t start;  /* seconds since 1970 */
    bool washout;    /* the last slot's TIME_WAIT entries are still there */
};

/** The slot of a time, in ns since 1970, where slots are `length` seconds long. */
struct slot slot_at(int64_t ns, uint32_t length);

/** In so many slots, from number 0 on, each arm gets exactly its share; 1: weights that have no
 * common divisor are so large that each slot is drawn by itself. */
uint32_t slots_block(const struct split *split);

/** The arm of slot `number`. */
unsigned slots_arm(const struct split *split, uint64_t number, uint64_t seed);

#endif
