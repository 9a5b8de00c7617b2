/*
 * shim: what was settled when the library was loaded.
 *
 * Owns: the configuration in force. Written before main, only read afterwards.
 */
#ifndef SHIM_H
#define SHIM_H

#include "policy/config.h"

struct shim {
    struct config config;
    bool active;    /* something is to be done or reported; otherwise hooks only pass on */
    bool reporting; /* closes are logged or counted */
    bool addresses; /* connections' addresses are needed at birth, for rules or the log */
};

extern struct shim shim;

#endif
