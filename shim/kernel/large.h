/*
 * large: the names of what has 64 bits on every machine.
 *
 * musl's have 64 bits by their plain names. It has the others as macros, or, from 1.2.4 on, not
 * at all.
 */
#ifndef LARGE_H
#define LARGE_H

#include <sys/types.h>
#include <unistd.h>

#ifndef __GLIBC__
#undef off64_t
#undef lseek64
#undef ftruncate64
#define off64_t     off_t
#define lseek64     lseek
#define ftruncate64 ftruncate
#endif

#endif
