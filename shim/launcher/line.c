#include "launcher/line.h"

#include "policy/text.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>

#define LINE_SIZE (2 * PATH_MAX)

static void print(FILE *file, const char *before, const char *format, va_list arguments)
{
    char raw[LINE_SIZE];
    char clean[LINE_SIZE];
    struct text text = text_in(clean, sizeof(clean));
    vsnprintf(raw, sizeof(raw), format, arguments);
    text_printable(&text, raw, strlen(raw), sizeof(raw));
    fprintf(file, "%s%s\n", before, clean);
}

void line_print(FILE *file, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print(file, "", format, arguments);
    va_end(arguments);
}

void complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print(stderr, "notimewait: ", format, arguments);
    va_end(arguments);
}
