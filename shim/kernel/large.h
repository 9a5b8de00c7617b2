/*
 * large: the names of what has 64 bits on every machine, and of what has not.
 *
 * musl's have 64 bits by their plain names. It has the others as macros, or, from 1.2.4 on, not
 * at all. glibc's functions with plain names take a long, whatever _FILE_OFFSET_BITS was when
 * we were built.
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
typedef off_t plain_off_t;
#else
typedef __off_t plain_off_t;
#endif

#endif
