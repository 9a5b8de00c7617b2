/*
 * json: members of a JSON object, in a text (RFC 8259).
 *
 * Each writes `"name":value`, with a comma before it unless it is the object's first.
 */
#ifndef JSON_H
#define JSON_H

#include "policy/address.h"
#include "policy/text.h"

#include <stdint.h>

/** The name alone; the value is to follow. */
void json_key(struct text *text, const char *name);
void json_string(struct text *text, const char *name, const char *value);
void json_number(struct text *text, const char *name, uint64_t value);
void json_boolean(struct text *text, const char *name, bool value);

/** Nanoseconds as microseconds with one decimal place; null when negative. */
void json_us(struct text *text, const char *name, int64_t ns);

/** "127.0.0.1:80", "[::1]:80", or null where it is not known. */
void json_address(struct text *text, const char *name, const union address *addr);

#endif
