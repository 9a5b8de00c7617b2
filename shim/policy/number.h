/*
 * number: decimal numbers in configuration values.
 */
#ifndef NUMBER_H
#define NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** s[len] is digits only, at least one, and least <= *number <= most. */
bool number_parse(const char *s, size_t len, uint64_t least, uint64_t most, uint64_t *number);

#endif
