#include "launcher/check/say.h"

#include "launcher/line.h"
#include "policy/text.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#define LABEL "%-19s " /* what begins a line */

#define TEXTS     8
#define TEXT_SIZE ((size_t)8 * PATH_MAX)

/** The next of a few buffers. */
static char *next_buffer(void)
{
    static char buffers[TEXTS][TEXT_SIZE];
    static unsigned used;
    return buffers[used++ % TEXTS];
}

const char *say_quoted(const char *value)
{
    char *quoted = next_buffer();
    struct text text = text_in(quoted, TEXT_SIZE);
    text_json(&text, value);
    return quoted;
}

const char *say_bool(bool value)
{
    return value ? "true" : "false";
}

const char *say_number(long long number)
{
    char *digits = next_buffer();
    snprintf(digits, TEXT_SIZE, "%lld", number);
    return digits;
}

struct say say_begin(bool json)
{
    if (json)
        putchar('{');
    return (struct say){.json = json};
}

void say_end(struct say *to)
{
    if (to->json)
        puts("}");
}

static void print_name(struct say *to, const char *name)
{
    if (to->comma)
        putchar(',');
    if (name)
        printf("\"%s\":", name);
    to->comma = true;
}

void say_member(struct say *to, const char *name, const char *json)
{
    if (!to->json)
        return;
    print_name(to, name);
    fputs(json, stdout);
}

void say_string(struct say *to, const char *name, const char *value)
{
    say_member(to, name, value ? say_quoted(value) : "null");
}

void say_open(struct say *to, const char *name, char bracket)
{
    if (!to->json)
        return;
    print_name(to, name);
    putchar(bracket);
    to->comma = false;
}

void say_close(struct say *to, char bracket)
{
    if (!to->json)
        return;
    putchar(bracket);
    to->comma = true;
}

/** `json` NULL: the text, as a string. */
static void say_both(struct say *to, const char *label, const char *name, const char *json,
                     const char *format, va_list arguments)
{
    char text[2 * PATH_MAX];
    vsnprintf(text, sizeof(text), format, arguments);
    if (to->json)
        say_member(to, name, json ? json : say_quoted(text));
    else
        line_print(stdout, LABEL "%s", label, text);
}

void say(struct say *to, const char *label, const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_both(to, label, name, NULL, format, arguments);
    va_end(arguments);
}

void say_as(struct say *to, const char *label, const char *name, const char *json,
            const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_both(to, label, name, json, format, arguments);
    va_end(arguments);
}
