/*
 * use: what the program was told of its connection: by reads and writes, and by SO_ERROR.
 */
#ifndef USE_H
#define USE_H

#include "connection/conn.h"

/** It failed, with errno, which stays: counted where statistics are asked for. */
void use_failed(struct conn *c);

/** The program was told `error`, an errno or 0, by SO_ERROR: a connect() that was under way
 * failed or succeeded, unless fd has been established before. */
void use_told(int fd, int error);

#endif
