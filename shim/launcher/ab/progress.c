#include "launcher/ab/progress.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static bool pending; /* the last line is to be replaced */

void progress_end(void)
{
    fputs(pending ? "\r\033[K" : "", stderr);
    pending = false;
}

static void print(const char *format, va_list arguments, bool stays)
{
    if (!isatty(STDERR_FILENO))
        return;
    progress_end();
    fputs("notimewait: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs(stays ? "\n" : "", stderr);
    pending = !stays;
}

void progress_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print(format, arguments, true);
    va_end(arguments);
}

void progress_update(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print(format, arguments, false);
    va_end(arguments);
}
