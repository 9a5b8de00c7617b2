/*
 * memory: arrays that grow. Without memory the launcher ends; it has nothing to lose.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

/** The array with room for `count` elements of `size` bytes, *room being what it has now. */
void *grow(void *array, size_t *room, size_t count, size_t size);

#endif
