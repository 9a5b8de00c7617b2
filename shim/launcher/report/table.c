#include "launcher/report/show.h"

#include "launcher/line.h"
#include "policy/text.h"

#include <math.h>
#include <string.h>

#define LABEL 24
#define CELL  18

const char *show_us(double ns, char buf[24])
{
    if (ns < 0)
        return "-";
    snprintf(buf, 24, ns < 99950 ? "%.1f" : "%.0f", ns / 1000);
    return buf;
}

/** A line: a label, and of each arm what `cell` writes. */
static void print_row(const struct shown *shown, FILE *file, const char *label,
                      void (*cell)(const struct row *arm, int which, char text[CELL]),
                      int which)
{
    char text[CELL];
    fprintf(file, "%-*s", LABEL, label);
    for (size_t i = 0; i < shown->arms->rows_count; i++) {
        bool last = i + 1 == shown->arms->rows_count;
        cell(&shown->arms->rows[i], which, text);
        fprintf(file, "%-*s", last ? 0 : CELL, text);
    }
    fputc('\n', file);
}

static void name_cell(const struct row *arm, int which, char text[CELL])
{
    struct text name = text_in(text, CELL);
    (void)which;
    text_printable(&name, arm->policy, strlen(arm->policy), CELL);
}

enum { CONNECTIONS, CLOSES, RECYCLED, RESETS };

static void count_cell(const struct row *arm, int which, char text[CELL])
{
    const uint64_t counts[] = {[CONNECTIONS] = arm->connections,
                               [CLOSES] = arm->closes,
                               [RECYCLED] = arm->recycled,
                               [RESETS] = arm->resets};
    snprintf(text, CELL, "%.0f", (double)counts[which]);
}

/** "12 (1.3 %)" of `all`. */
static void rate(uint64_t count, uint64_t all, char text[CELL])
{
    if (count == 0 || all == 0)
        snprintf(text, CELL, "%.0f", (double)count);
    else
        snprintf(text, CELL, "%.0f (%.2g %%)", (double)count,
                 100 * (double)count / (double)all);
}

static void failed_cell(const struct row *arm, int which, char text[CELL])
{
    uint64_t failed = row_failed(arm);
    (void)which;
    if (arm->from_log || !row_has_outcomes(arm))
        snprintf(text, CELL, "-");
    else
        rate(failed, failed + arm->connections, text);
}

static void connect_error_cell(const struct row *arm, int which, char text[CELL])
{
    rate(arm->connect_errors[which], row_failed(arm) + arm->connections, text);
}

static void broken_cell(const struct row *arm, int which, char text[CELL])
{
    (void)which;
    if (arm->from_log || !row_has_outcomes(arm))
        snprintf(text, CELL, "-");
    else
        rate(arm->broken, arm->connections, text);
}

static void io_error_cell(const struct row *arm, int which, char text[CELL])
{
    snprintf(text, CELL, "%.0f", (double)arm->io_errors[which]);
}

static void time_wait_cell(const struct row *arm, int which, char text[CELL])
{
    (void)which;
    if (arm->time_wait_now < 0)
        snprintf(text, CELL, "-");
    else
        snprintf(text, CELL, "%.0f%s", (double)arm->time_wait_now,
                 arm->more_peers > 0 ? " or more" : "");
}

#define MAX 1000 /* in place of a percentage: the greatest */

static void time_cell(const uint64_t times[HISTOGRAM_BUCKETS], int percent, char text[CELL])
{
    char buf[24];
    double ns = percent == MAX ? times_max(times) : times_percentile(times, percent);
    snprintf(text, CELL, "%.*s", CELL - 1, show_us(ns, buf));
}

static void connect_cell(const struct row *arm, int percent, char text[CELL])
{
    time_cell(arm->connect_ns, percent, text);
}

static void close_cell(const struct row *arm, int percent, char text[CELL])
{
    time_cell(arm->close_ns, percent, text);
}

/** A line for each errno that some arm has. */
static void print_errors(const struct shown *shown, FILE *file, bool connects)
{
    char label[LABEL];
    char buf[16];
    for (int error = 0; error < BOARD_ERRORS; error++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < shown->arms->rows_count; i++)
            sum += connects ? shown->arms->rows[i].connect_errors[error]
                            : shown->arms->rows[i].io_errors[error];
        snprintf(label, sizeof(label), "  %s", error_name(error, buf));
        if (sum > 0)
            print_row(shown, file, label, connects ? connect_error_cell : io_error_cell, error);
    }
}

static void print_times(const struct shown *shown, FILE *file, const char *what,
                        void (*cell)(const struct row *arm, int percent, char text[CELL]))
{
    static const struct {
        const char *name;
        int percent;
    } lines[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"max", MAX}};
    char label[LABEL];
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        snprintf(label, sizeof(label), "%-13s%s", i == 0 ? what : "", lines[i].name);
        print_row(shown, file, label, cell, lines[i].percent);
    }
}

void show_verdicts(const struct shown *shown, FILE *file)
{
    const struct data *all = shown->all;
    for (size_t i = 0; i < shown->differences_count; i++)
        line_print(file, "%s against %s, %s: %s", shown->differences[i].policy,
                   shown->differences[i].against, shown->differences[i].measure,
                   shown->differences[i].verdict);
    if (compares_slots(all))
        fprintf(
            file,
            "Slots are compared, %zu of them; %.0f connections of wash-outs are left out.\n",
            all->slots_count, (double)shown->arms->washout);
    if (all->slots_missed > 0)
        fprintf(file, "%.0f connections belong to another split than their slot's.\n",
                (double)all->slots_missed);
    if (all->dropped > 0)
        fprintf(file, "%.0f records could not be written to the log.\n", (double)all->dropped);
    if (all->strange > 0)
        fprintf(file, "%.0f lines are no records.\n", (double)all->strange);
    for (size_t i = 0; i < shown->arms->rows_count; i++)
        if (strcmp(shown->arms->rows[i].policy, "other") == 0)
            fputs("other: of programs and policies for which the board has no cells left.\n",
                  file);
}

void show_table(const struct shown *shown, FILE *file)
{
    if (shown->arms->rows_count == 0) {
        fputs("No connection yet.\n", file);
        return;
    }
    print_row(shown, file, "", name_cell, 0);
    print_row(shown, file, "connections", count_cell, CONNECTIONS);
    print_row(shown, file, "closes", count_cell, CLOSES);
    print_row(shown, file, "failed connects", failed_cell, 0);
    print_errors(shown, file, true);
    print_row(shown, file, "failed reads, writes", broken_cell, 0);
    print_errors(shown, file, false);
    print_row(shown, file, "recycled", count_cell, RECYCLED);
    print_row(shown, file, "reset by us", count_cell, RESETS);
    print_row(shown, file, "TIME_WAIT now", time_wait_cell, 0);
    print_times(shown, file, "connect, us", connect_cell);
    print_times(shown, file, "close, us", close_cell);
    fputc('\n', file);
    show_verdicts(shown, file);
}
