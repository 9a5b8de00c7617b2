/*
 * print: an experiment's results, for people and for programs.
 *
 * Owns: the table, the notes below it, and the JSON object.
 */
#ifndef AB_PRINT_H
#define AB_PRINT_H

#include "launcher/ab/figures.h"

#include <stdio.h>

void ab_print_table(const struct experiment *experiment);
void ab_print_markdown(const struct experiment *experiment, FILE *file);
void ab_print_json(const struct experiment *experiment);

/** Prints a line for each fact without which the figures would be misread. */
void ab_print_notes(const struct experiment *experiment, FILE *file);

#endif
