/*
 * pages: memory of our own, where malloc() may not be called.
 */
#ifndef PAGES_H
#define PAGES_H

#include <stddef.h>

/** `size` zero bytes of pages of their own; NULL without memory. Given back by munmap(2). */
void *pages_map(size_t size);

#endif
