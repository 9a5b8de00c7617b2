#include "launcher/report/show.h"

#include "launcher/memory.h"
#include "policy/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void print_string(FILE *file, const char *s)
{
    size_t size = 6 * strlen(s) + sizeof("\"\""); /* each byte as \u00XX at most */
    size_t room = 0;
    char *buf = grow(NULL, &room, size, 1);
    struct text text = text_in(buf, size);
    text_json(&text, s);
    fputs(buf, file);
    free(buf);
}

/** `"name":number`, null where it is not finite; with what stands before it. */
static void print_member(FILE *file, const char *before, const char *name, double number)
{
    if (isfinite(number))
        fprintf(file, "%s\"%s\":%.10g", before, name, number);
    else
        fprintf(file, "%s\"%s\":null", before, name);
}

static void print_number(FILE *file, const char *name, double number)
{
    print_member(file, ",", name, number);
}

static void print_errors(FILE *file, const char *name, const uint64_t errors[BOARD_ERRORS],
                         bool known)
{
    const char *comma = "";
    char buf[16];
    fprintf(file, ",\"%s\":%s", name, known ? "{" : "null");
    for (int error = 0; error < BOARD_ERRORS && known; error++) {
        if (errors[error] == 0)
            continue;
        fprintf(file, "%s\"%s\":%.0f", comma, error_name(error, buf), (double)errors[error]);
        comma = ",";
    }
    fputs(known ? "}" : "", file);
}

static double in_us(double ns)
{
    return ns < 0 ? NAN : round(ns / 100) / 10;
}

static void print_times(FILE *file, const char *name, const uint64_t times[HISTOGRAM_BUCKETS])
{
    fprintf(file, ",\"%s\":{", name);
    print_member(file, "", "p50", in_us(times_percentile(times, 50)));
    print_number(file, "p90", in_us(times_percentile(times, 90)));
    print_number(file, "p99", in_us(times_percentile(times, 99)));
    print_number(file, "max", in_us(times_max(times)));
    fputc('}', file);
}

static void print_arm(FILE *file, const struct row *arm)
{
    fputs("{\"policy\":", file);
    print_string(file, arm->policy);
    print_number(file, "connections", (double)arm->connections);
    print_number(file, "closes", (double)arm->closes);
    print_number(file, "recycled", (double)arm->recycled);
    print_number(file, "resets", (double)arm->resets);
    print_errors(file, "connect_errors", arm->connect_errors, !arm->from_log);
    print_errors(file, "io_errors", arm->io_errors, !arm->from_log);
    print_number(file, "time_wait_now",
                 arm->time_wait_now < 0 ? NAN : (double)arm->time_wait_now);
    print_times(file, "connect_us", arm->connect_ns);
    print_times(file, "close_us", arm->close_ns);
    fputc('}', file);
}

static void print_difference(FILE *file, const struct difference *d)
{
    fputs("{\"policy\":", file);
    print_string(file, d->policy);
    fputs(",\"against\":", file);
    print_string(file, d->against);
    fprintf(file, ",\"measure\":\"%s\"", d->measure);
    print_number(file, "estimate", d->estimate);
    print_number(file, "low", d->low);
    print_number(file, "high", d->high);
    fputs(",\"verdict\":", file);
    print_string(file, d->verdict);
    fputc('}', file);
}

void show_json(const struct shown *shown, FILE *file)
{
    fputs("{\"arms\":[", file);
    for (size_t i = 0; i < shown->arms->rows_count; i++) {
        fputs(i > 0 ? "," : "", file);
        print_arm(file, &shown->arms->rows[i]);
    }
    fputs("],\"differences\":[", file);
    for (size_t i = 0; i < shown->differences_count; i++) {
        fputs(i > 0 ? "," : "", file);
        print_difference(file, &shown->differences[i]);
    }
    fputs("]}\n", file);
}
