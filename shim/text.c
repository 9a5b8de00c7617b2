#include "text.h"

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

void text_json(struct text *text, const char *s)
{
    text_char(text, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c > 0x7e) {
            text_str(text, "\\u");
            in_base(text, c, 16, 4);
            continue;
        }
        if (c == '"' || c == '\\')
            text_char(text, '\\');
        text_char(text, *s);
    }
    text_char(text, '"');
}

void text_printable(struct text *text, const char *s, size_t most)
{
    for (size_t i = 0; i < most && s[i]; i++)
        text_char(text, (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i]);
    if (strlen(s) > most)
        text_str(text, "...");
}
