#include "launcher/ab/print.h"

#include "launcher/memory.h"
#include "policy/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void print_string(const char *s)
{
    size_t size = 6 * strlen(s) + sizeof("\"\""); /* each byte as \u00XX at most */
    size_t room = 0;
    char *buf = grow(NULL, &room, size, 1);
    struct text text = text_in(buf, size);
    text_json(&text, s);
    fputs(buf, stdout);
    free(buf);
}

static void print_number(const char *before, double number)
{
    if (!isfinite(number))
        printf("%snull", before);
    else
        printf("%s%.10g", before, number);
}

static void print_figure(const struct series *arm, enum figure figure)
{
    struct spread spread = figure_spread(arm, figure);
    printf(",\"%s\":", figures[figure].json);
    print_number("{\"median\":", spread.median);
    print_number(",\"min\":", spread.min);
    print_number(",\"max\":", spread.max);
    putchar('}');
}

/** What connect() failed with, over all runs. */
static void print_errors(const struct series *arm)
{
    fputs(",\"connect_errors_by_errno\":{", stdout);
    for (size_t i = 0; i < CONNECT_ERRORS_MAX && arm->errors[i].name[0]; i++)
        printf("%s\"%s\":%.0f", i > 0 ? "," : "", arm->errors[i].name, arm->errors[i].count);
    putchar('}');
}

static void print_arm(const struct series *arm)
{
    fputs("{\"policy\":", stdout);
    print_string(arm->policy);
    fputs(",\"exit_statuses\":[", stdout);
    for (size_t i = 0; i < arm->count; i++)
        printf("%s%d", i > 0 ? "," : "", arm->runs[i].status);
    putchar(']');
    for (int figure = 0; figure < FIGURES; figure++)
        print_figure(arm, (enum figure)figure);
    print_errors(arm);
    fputs(arm_contaminated(arm) > 0 ? ",\"contaminated\":true}" : "}", stdout);
}

static void print_difference(const struct series *control, const struct series *arm,
                             enum figure figure)
{
    struct comparison comparison = figure_compare(control, arm, figure);
    fputs("{\"policy\":", stdout);
    print_string(arm->policy);
    fputs(",\"against\":", stdout);
    print_string(control->policy);
    printf(",\"measure\":\"%s\"", figures[figure].json);
    print_number(",\"estimate\":", comparison.estimate);
    print_number(",\"low\":", comparison.low);
    print_number(",\"high\":", comparison.high);
    print_number(",\"p\":", comparison.p);
    if (comparison.runs > 0)
        printf(",\"runs_to_decide\":%zu", comparison.runs);
    if (isnan(comparison.p))
        fputs(",\"verdict\":null}", stdout);
    else
        printf(",\"verdict\":\"%s\"}", verdict_names[comparison.verdict]);
}

/** Every arm's figures against the first arm's. */
static void print_differences(const struct experiment *experiment)
{
    for (unsigned i = 1; i < experiment->count; i++)
        for (int figure = 0; figure < FIGURES; figure++) {
            fputs(i > 1 || figure > 0 ? "," : "", stdout);
            print_difference(&experiment->arms[0], &experiment->arms[i], (enum figure)figure);
        }
}

void ab_print_json(const struct experiment *experiment)
{
    fputs("{\"command\":[", stdout);
    for (char *const *word = experiment->command; *word; word++) {
        fputs(word > experiment->command ? "," : "", stdout);
        print_string(*word);
    }
    printf("],\"runs\":%u,\"arms\":[", experiment->planned);
    for (unsigned i = 0; i < experiment->count; i++) {
        fputs(i > 0 ? "," : "", stdout);
        print_arm(&experiment->arms[i]);
    }
    fputs("],\"differences\":[", stdout);
    print_differences(experiment);
    fputs(experiment->interrupted ? "],\"interrupted\":true}\n" : "]}\n", stdout);
}
