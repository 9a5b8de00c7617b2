#include "policy/text.h"

#include <string.h>

struct text text_in(char *buf, size_t size)
{
    buf[0] = '\0';
    return (struct text){.buf = buf, .size = size};
}

const char *text_behind(const char *s, const char *prefix)
{
    for (; *prefix; s++, prefix++)
        if (*s != *prefix)
            return NULL;
    return s;
}

const char *text_find(const char *s, char c)
{
    while (*s && *s != c)
        s++;
    return *s == c ? s : NULL;
}

bool text_is(const char *s, const char *word)
{
    const char *end = text_behind(s, word);
    return end && !*end;
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

void text_name_for(struct text *text, const char *s, uint64_t pid)
{
    for (; *s; s++) {
        if (s[0] == '%' && s[1] == 'p') {
            text_number(text, pid, 1);
            s++;
        } else {
            text_char(text, *s);
        }
    }
}

void text_hex(struct text *text, unsigned number)
{
    in_base(text, number, 16, 1);
}

/**
 * How many bytes the character at s[len] has: 1 for ASCII, 0 where s is no UTF-8 (RFC 3629).
 */
static unsigned utf8_bytes(const unsigned char *s, size_t len)
{
    if (s[0] < 0x80)
        return 1;
    unsigned bytes = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (bytes > len)
        return 0;
    for (unsigned i = 1; i < bytes; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool too_long = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool not_a_character = (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f);
    return too_long || not_a_character ? 0 : bytes;
}

/** A character, or a byte that is none, as a line on a terminal or in a log may show it. */
struct shown {
    unsigned bytes;   /* how many it takes */
    unsigned control; /* or 0: a control character's number, of C0, DEL or C1 (ECMA-48) */
    bool utf8;
};

/** The character at s[len], len > 0. Terminals take U+0080 to U+009F for commands. */
static struct shown look_at(const char *s, size_t len)
{
    const unsigned char *c = (const unsigned char *)s;
    unsigned bytes = utf8_bytes(c, len);
    struct shown shown = {.bytes = bytes ? bytes : 1, .utf8 = bytes > 0};
    if (bytes == 2 && c[0] == 0xc2 && c[1] < 0xa0)
        shown.control = c[1];
    else if (c[0] < 0x20 || c[0] == 0x7f || (bytes == 0 && c[0] < 0xa0))
        shown.control = c[0];
    return shown;
}

static void text_bytes(struct text *text, const char *s, unsigned bytes)
{
    while (bytes-- > 0)
        text_char(text, *s++);
}

void text_json(struct text *text, const char *s)
{
    size_t len = strlen(s);
    text_char(text, '"');
    for (struct shown shown; len > 0; s += shown.bytes, len -= shown.bytes) {
        shown = look_at(s, len);
        if (shown.control || !shown.utf8) {
            text_str(text, "\\u");
            in_base(text, shown.control ? shown.control : (unsigned char)*s, 16, 4);
            continue;
        }
        if (*s == '"' || *s == '\\')
            text_char(text, '\\');
        text_bytes(text, s, shown.bytes);
    }
    text_char(text, '"');
}

void text_printable(struct text *text, const char *s, size_t len, size_t most)
{
    const char *end = s + (len < most ? len : most);
    for (struct shown shown; s < end; s += shown.bytes) {
        shown = look_at(s, (size_t)(end - s));
        if (shown.control || *s == '\0')
            text_char(text, '?');
        else
            text_bytes(text, s, shown.bytes);
    }
    if (len > most)
        text_str(text, "...");
}
