/*
 * show: a report, for people and for programs.
 *
 * Owns: the table, the JSON object, and the metrics in both text formats.
 */
#ifndef REPORT_SHOW_H
#define REPORT_SHOW_H

#include "launcher/report/compare.h"

#include <stdio.h>

/** A report: `all` as it was read, and its arms. */
struct shown {
    const struct data *all, *arms;
    const struct difference *differences;
    size_t differences_count;
};

void show_table(const struct shown *shown, FILE *file);
void show_json(const struct shown *shown, FILE *file);

/** OpenMetrics 1.0, or `older`: what node_exporter's textfile collector reads. */
void show_metrics(const struct data *all, bool older, FILE *file);

/** Verdicts, and what has to be known to read the figures: a line each. */
void show_verdicts(const struct shown *shown, FILE *file);

/** "30.1", "1200", or "-": nanoseconds in us. */
const char *show_us(double ns, char buf[24]);

#endif
