/*
 * settings: what was settled when the library was loaded.
 *
 * Owns: the configuration in force. Written before main, only read afterwards.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "policy/config.h"

struct settings {
    struct config config;
    bool active;    /* something is to be done or reported; otherwise hooks only pass on */
    bool reporting; /* closes are logged or counted: log, statistics or board */
    bool counting;  /* connections are counted: statistics or board */
    bool asking;    /* the kernel is asked for what is reported, which the board does without */
    bool addresses; /* connections' addresses are needed, for rules or the log */
    bool cookies;   /* connections' cookies are needed: records, or the launcher's reaper */
};

extern struct settings settings;

#endif
