/*
 * memory: arrays that grow. Where there is no memory the launcher ends.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

/** Returns the array with room for `count` elements of `size` bytes; *room is how many it has
 * room for now. */
void *grow(void *array, size_t *room, size_t count, size_t size);

#endif
