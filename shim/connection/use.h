/*
 * use: what a read or write of a connection returned to the program.
 */
#ifndef USE_H
#define USE_H

#include "connection/conn.h"

/** It failed, with errno, which stays: counted where statistics are asked for. */
void use_failed(struct conn *c);

#endif
