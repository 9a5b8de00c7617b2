#include "policy/text.h"

#include <string.h>

struct text text_in(char *buf, size_t size)
{
    buf[0] = '\0';
    return (struct text){.buf = buf, .size = size};
}

void text_char(struct text *text, char c)
{
    if (text->len + 1 >= text->size) {
        text->cut = true;
        return;
    }
    text->buf[text->len++] = c;
    text->buf[text->len] = '\0';
}

void text_str(struct text *text, const char *s)
{
    while (*s)
        text_char(text, *s++);
}

static void in_base(struct text *text, uint64_t number, unsigned base, unsigned digits)
{
    char backwards[24];
    unsigned n = 0;
    do {
        backwards[n++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0 || n < digits);
    while (n > 0)
        text_char(text, backwards[--n]);
}

void text_number(struct text *text, uint64_t number, unsigned digits)
{
    in_base(text, number, 10, digits);
}

void text_hex(struct text *text, unsigned number)
{
    in_base(text, number, 16, 1);
}

/** How many bytes the character at s has: 1 for ASCII, 0 where s is no UTF-8 (RFC 3629). */
static unsigned utf8_bytes(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    unsigned bytes = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    for (unsigned i = 1; i < bytes; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool too_long = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool not_a_character = (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f);
    return too_long || not_a_character ? 0 : bytes;
}

void text_json(struct text *text, const char *s)
{
    text_char(text, '"');
    while (*s) {
        unsigned char c = (unsigned char)*s;
        unsigned bytes = utf8_bytes((const unsigned char *)s);
        if (c < 0x20 || c == 0x7f || bytes == 0) {
            text_str(text, "\\u");
            in_base(text, c, 16, 4);
            s++;
            continue;
        }
        if (c == '"' || c == '\\')
            text_char(text, '\\');
        while (bytes-- > 0)
            text_char(text, *s++);
    }
    text_char(text, '"');
}

void text_printable(struct text *text, const char *s, size_t len, size_t most)
{
    for (size_t i = 0; i < len && i < most; i++)
        text_char(text, (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i]);
    if (len > most)
        text_str(text, "...");
}
