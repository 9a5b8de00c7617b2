/* results: every call that receives or sends, on every fd. */
#ifndef RESULTS_IO_H
#define RESULTS_IO_H

#include "results_calls.h"

static const char *const variants[] = {"", ", no bytes", ", bad buffer"};

enum { GOOD, EMPTY, BAD, VARIANTS };

static char buffer[WANTED + 1];

/* Calls once; returns what it did. `what` and `state` name the fd. */
static long try_transfer(const struct call *c, int fd, int variant, const char *what,
                         const char *state)
{
    memset(buffer, '.', WANTED);
    returned[0] = '\0';
    errno = UNTOUCHED;
    long r = c->function(fd, variant == BAD ? bad : buffer, variant == EMPTY ? 0 : WANTED);

    report(c->name, r, errno, "%s%s%s", what, state, variants[variant]);
    extra("'%s' %s", buffer, returned);
    return r;
}

/* What a peer that reads got of it. */
static void extra_peer(bool sent)
{
    char got[64];

    if (sent)
        wait_ready(peer, POLLIN);
    extra("peer=%ld", raw_syscall(SYS_recvfrom, peer, got, sizeof got, MSG_DONTWAIT, NULL, 0));
}

/* Calls once in a state; returns what it did. */
static long try_state(const struct call *c, int fd, const struct side *side,
                      const struct state *state, int variant)
{
    if (state->wait == INTERRUPT)
        interrupt_every(PIECE_MS);
    long r = try_transfer(c, fd, variant, side->name, state->name);

    interrupt_every(0);
    extra_linger(fd);
    return r;
}

static void try_connection(const struct call *c, const struct side *side,
                           const struct state *state, bool input)
{
    for (int variant = 0; variant < VARIANTS; variant++) {
        int fd = connected(side);

        state->bring(fd);
        long r = try_state(c, fd, side, state, variant);

        extra_peer(!input && r > 0 && variant == GOOD);
        clean(fd);
        if (state->wait != NO_WAIT)
            break; /* that takes long */
    }
}

static void try_states(const struct call *calls, int count, const struct state *states,
                       int state_count, bool input)
{
    for (int c = 0; c < count; c++)
        for (int side = 0; side < SIDES; side++)
            for (int state = 0; state < state_count; state++)
                try_connection(&calls[c], &sides[side], &states[state], input);
}

static void try_others(const struct call *calls, int count)
{
    for (int c = 0; c < count; c++)
        for (int i = 0; i < COUNT(others) * VARIANTS; i++) {
            const struct other *other = &others[i / VARIANTS];
            int fd = other->make();

            (void)try_transfer(&calls[c], fd, i % VARIANTS, other->name, "");
            clean_other(fd);
        }
}

/* A connection that can take nothing; no call changes that, so that one is enough. */
static void try_full(const struct side *side)
{
    int fd = connected(side);

    bring_full(fd);
    for (int state = 0; state < COUNT(full_states); state++) {
        full_states[state].bring(fd);
        for (int c = 0; c < COUNT(outputs); c++)
            (void)try_state(&outputs[c], fd, side, &full_states[state], GOOD);
    }
    clean(fd);
}

static void results_io(void)
{
    try_states(inputs, COUNT(inputs), input_states, COUNT(input_states), true);
    try_others(inputs, COUNT(inputs));
    try_states(outputs, COUNT(outputs), output_states, COUNT(output_states), false);
    try_others(outputs, COUNT(outputs));
    for (int side = 0; side < SIDES; side++)
        try_full(&sides[side]);
}

#endif
