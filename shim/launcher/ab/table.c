#include "launcher/ab/print.h"

#include "policy/text.h"

#include <math.h>
#include <string.h>

#define COLUMNS      80
#define LABEL_COLUMN 17 /* the first column's width */
#define GAP          2
#define CELL_SIZE    48
#define ROWS         (1 + FIGURES) /* exit statuses first */

/** What the table says of one arm. */
struct column {
    char name[CELL_SIZE];        /* the policy */
    char value[ROWS][CELL_SIZE]; /* the median, and the difference from the control */
    char range[ROWS][CELL_SIZE]; /* min..max, or "" where all runs have the same */
    char shift[ROWS][CELL_SIZE]; /* where the difference is, and its p; or "" */
    int width;
};

/** "0", "0 x4, 1 x1": each status with how often it occurs, in the order of occurrence. */
static void statuses(const struct series *arm, char cell[CELL_SIZE])
{
    struct text text = text_in(cell, CELL_SIZE);
    for (size_t i = 0; i < arm->count; i++) {
        unsigned same = 0;
        bool first = true;
        for (size_t j = 0; j < arm->count; j++) {
            same += arm->runs[j].status == arm->runs[i].status;
            first = first && !(j < i && arm->runs[j].status == arm->runs[i].status);
        }
        if (!first)
            continue;
        text_str(&text, text.len > 0 ? ", " : "");
        text_number(&text, (uint64_t)arm->runs[i].status, 1);
        if (same == arm->count)
            return;
        text_str(&text, " x");
        text_number(&text, same, 1);
    }
}

/** A count has decimals only where its median lies between two. */
static int decimals_of(const struct figure_info *info, double value)
{
    return info->decimals == 0 && value != floor(value) ? 1 : info->decimals;
}

/** "-300", "+3 %", "x12": a change by a factor of ten or more is not easily read in per cent.
 */
static void change(const struct figure_info *info, double from, double to, struct text *text)
{
    char number[32];
    double ratio = from > 0 ? to / from : 1;
    if (info->relative && ratio >= 10)
        snprintf(number, sizeof(number), "x%.0f", ratio);
    else if (info->relative && from > 0)
        snprintf(number, sizeof(number), "%+.0f %%", round(100 * (ratio - 1)) + 0.0);
    else
        snprintf(number, sizeof(number), "%+.*f", decimals_of(info, to - from), to - from);
    text_str(text, number);
}

/** " (-300 real)" */
static void difference(const struct figure_info *info, const struct spread *control,
                       const struct spread *arm, enum figure_verdict verdict, struct text *text)
{
    static const char *const words[] = {
        [VERDICT_NOISE] = " noise)", [VERDICT_REAL] = " real)", [VERDICT_FEW] = ")"};
    if (verdict == VERDICT_NONE)
        return;
    text_str(text, " (");
    change(info, control->median, arm->median, text);
    text_str(text, words[verdict]);
}

/** "-310..-290, p 0.008" */
static void shift(const struct figure_info *info, const struct comparison *comparison,
                  char cell[CELL_SIZE])
{
    if (comparison->verdict == VERDICT_NONE || comparison->verdict == VERDICT_FEW)
        return;
    double low = comparison->low * info->scale;
    double high = comparison->high * info->scale;
    snprintf(cell, CELL_SIZE, "%+.*f..%+.*f, p %.2g", decimals_of(info, low), low,
             decimals_of(info, high), high, comparison->p);
}

static struct spread scaled(struct spread spread, const struct figure_info *info)
{
    spread.median *= info->scale;
    spread.min *= info->scale;
    spread.max *= info->scale;
    return spread;
}

static void fill_cell(struct column *column, int figure, const struct series *control,
                      const struct series *arm)
{
    const struct figure_info *info = &figures[figure];
    struct spread reference = scaled(figure_spread(control, (enum figure)figure), info);
    struct spread spread = scaled(figure_spread(arm, (enum figure)figure), info);
    struct text text = text_in(column->value[1 + figure], CELL_SIZE);
    char number[CELL_SIZE] = "-";
    if (spread.runs > 0)
        snprintf(number, sizeof(number), "%.*f", decimals_of(info, spread.median),
                 spread.median);
    text_str(&text, number);
    if (spread.min < spread.max)
        snprintf(column->range[1 + figure], CELL_SIZE, "%.*f..%.*f", info->decimals, spread.min,
                 info->decimals, spread.max);
    if (arm == control)
        return;
    struct comparison comparison = figure_compare(control, arm, (enum figure)figure);
    difference(info, &reference, &spread, comparison.verdict, &text);
    shift(info, &comparison, column->shift[1 + figure]);
}

static void widen(struct column *column, const char *cell)
{
    int width = (int)strlen(cell);
    column->width = width > column->width ? width : column->width;
}

static struct column make_column(const struct series *control, const struct series *arm)
{
    struct column column = {.width = 0};
    statuses(arm, column.value[0]);
    if (arm->count == 0)
        snprintf(column.value[0], CELL_SIZE, "-");
    for (int figure = 0; figure < FIGURES; figure++)
        fill_cell(&column, figure, control, arm);
    snprintf(column.name, CELL_SIZE, "%s%s", arm->policy,
             arm_contaminated(arm) > 0 ? " (contaminated)" : "");
    widen(&column, column.name);
    for (int row = 0; row < ROWS; row++) {
        widen(&column, column.value[row]);
        widen(&column, column.range[row]);
        widen(&column, column.shift[row]);
    }
    return column;
}

/** One line: a label, and a cell of each column. Nothing where all cells are empty. */
static void print_line(const char *label, const char *const *cells,
                       const struct column *columns, unsigned count)
{
    unsigned last = count;
    while (last > 0 && !cells[last - 1][0])
        last--;
    if (last == 0)
        return;
    printf("%-*s", LABEL_COLUMN, label);
    for (unsigned i = 0; i < last; i++)
        printf("%-*s", i + 1 < last ? columns[i].width + GAP : 0, cells[i]);
    putchar('\n');
}

static void print_block(const struct column *columns, unsigned count)
{
    const char *cells[ARMS_MAX] = {NULL};
    for (unsigned i = 0; i < count; i++)
        cells[i] = columns[i].name;
    print_line("", cells, columns, count);
    for (int row = 0; row < ROWS; row++) {
        for (unsigned i = 0; i < count; i++)
            cells[i] = columns[i].value[row];
        print_line(row == 0 ? "exit status" : figures[row - 1].label, cells, columns, count);
        for (unsigned i = 0; i < count; i++)
            cells[i] = columns[i].range[row];
        print_line("", cells, columns, count);
        for (unsigned i = 0; i < count; i++)
            cells[i] = columns[i].shift[row];
        print_line("", cells, columns, count);
    }
}

/** How many of the columns fit beside each other; at least one. */
static unsigned fitting(const struct column *columns, unsigned count)
{
    unsigned n = 1;
    int width = LABEL_COLUMN + columns[0].width;
    while (n < count && (width += GAP + columns[n].width) <= COLUMNS)
        n++;
    return n;
}

static void print_heading(const struct experiment *experiment)
{
    char line[COLUMNS - 3];
    struct text text = text_in(line, sizeof(line));
    text_number(&text, experiment->planned, 1);
    text_str(&text, experiment->planned == 1 ? " run" : " runs");
    text_str(&text, experiment->count > 1 ? " of each policy, in rounds:" : ":");
    for (char *const *word = experiment->command; *word; word++) {
        text_char(&text, ' ');
        text_printable(&text, *word, strlen(*word), COLUMNS);
    }
    printf("%s%s\n\n", line, text.cut ? "..." : "");
}

/** What the words behind the differences mean. */
static void print_test(const char *control)
{
    printf("(...): against %s; below it, where the difference is with 95 %%, and p:\n"
           "  so often chance makes one like it (Mann and Whitney's rank test).\n"
           "  real: p is %.2f or less; noise: more; no word: too few runs to tell.\n",
           control, CHANCE_MAX);
}

static void print_legend(const struct experiment *experiment)
{
    const struct series *control = &experiment->arms[0];
    puts("\nMedian of the runs, and below it min..max where they differ.");
    if (experiment->count > 1)
        print_test(control->policy);
    puts("TIME_WAIT left: sockets in the kernel, of the command's connections.\n"
         "RSTs sent: by anybody in this network namespace.\n"
         "reset, no FIN: its peer gets ECONNRESET in place of the end, if it still reads.\n"
         "close, connect: how long half of these calls took at most.");
}

void ab_print_table(const struct experiment *experiment)
{
    struct column columns[ARMS_MAX];
    if (figure_runs(experiment) == 0)
        return;
    for (unsigned i = 0; i < experiment->count; i++)
        columns[i] = make_column(&experiment->arms[0], &experiment->arms[i]);
    print_heading(experiment);
    for (unsigned first = 0, n; first < experiment->count; first += n) {
        n = fitting(columns + first, experiment->count - first);
        fputs(first > 0 ? "\n" : "", stdout);
        print_block(columns + first, n);
    }
    print_legend(experiment);
}

/* --- Markdown --- */

/** Value, range and difference, one behind the other. */
static void print_markdown_cell(FILE *file, const struct column *column, int row)
{
    fprintf(file, " %s%s%s%s%s |", column->value[row], column->range[row][0] ? "; " : "",
            column->range[row], column->shift[row][0] ? "; " : "", column->shift[row]);
}

void ab_print_markdown(const struct experiment *experiment, FILE *file)
{
    fputs("| |", file);
    for (unsigned i = 0; i < experiment->count; i++)
        fprintf(file, " `%s` |", experiment->arms[i].policy);
    fputs("\n|---|", file);
    for (unsigned i = 0; i < experiment->count; i++)
        fputs("---|", file);
    for (int row = 0; row < ROWS; row++) {
        fprintf(file, "\n| %s |", row == 0 ? "exit status" : figures[row - 1].label);
        for (unsigned i = 0; i < experiment->count; i++) {
            struct column column = make_column(&experiment->arms[0], &experiment->arms[i]);
            print_markdown_cell(file, &column, row);
        }
    }
    fprintf(file, "\n\n%u runs of each. Median; min..max; difference with 95 %% and p.\n",
            experiment->planned);
}
