/*
 * text: a string built in a buffer of fixed size.
 *
 * Owns: formatting without stdio, locale or malloc, so that a hook in a signal handler may do
 * it. What does not fit is cut, and the buffer always ends in a NUL.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *buf;
    size_t size; /* of buf, in bytes, the NUL included */
    size_t len;
    bool cut; /* something did not fit */
};

/** An empty text in buf[size]; size > 0. */
struct text text_in(char *buf, size_t size);

void text_char(struct text *text, char c);
void text_str(struct text *text, const char *s);

/** Behind `prefix` in s, or NULL where s does not begin so. */
const char *text_behind(const char *s, const char *prefix);

/** The first c of s, or NULL. */
const char *text_find(const char *s, char c);

/** Whether s is this word. */
bool text_is(const char *s, const char *word);

/** Decimal, with at least `digits` digits (leading zeros). */
void text_number(struct text *text, uint64_t number, unsigned digits);
void text_hex(struct text *text, unsigned number);

/** s, with the pid in the place of each %p: the name of a process's file. */
void text_name_for(struct text *text, const char *s, uint64_t pid);

/**
 * A JSON string with its quotes (RFC 8259, section 7); control characters, C1's included, and
 * bytes that are no UTF-8 as \\u00XX.
 */
void text_json(struct text *text, const char *s);

/** At most `most` bytes of s[len], control characters, C1's included, as '?': for a line on a
 * terminal. */
void text_printable(struct text *text, const char *s, size_t len, size_t most);

#endif
