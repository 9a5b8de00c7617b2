#include "launcher/ab/print.h"

#include "policy/text.h"

#include <math.h>

static void print_string(const char *s)
{
    static char buf[1 << 18]; /* longer than any argument (MAX_ARG_STRLEN), unless escaped */
    struct text text = text_in(buf, sizeof(buf));
    text_json(&text, s);
    fputs(buf, stdout);
}

static void print_number(const char *before, double number)
{
    if (isnan(number))
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

static void print_arm(const struct series *arm)
{
    fputs("{\"policy\":", stdout);
    print_string(arm->policy);
    fputs(",\"exit_statuses\":[", stdout);
    for (size_t i = 0; i < arm->count; i++)
        printf("%s%d", i > 0 ? "," : "", arm->runs[i].status);
    putchar(']');
    for (int figure = 0; figure < FIGURES; figure++)
        if (figures[figure].json)
            print_figure(arm, (enum figure)figure);
    fputs(arm_contaminated(arm) > 0 ? ",\"contaminated\":true}" : "}", stdout);
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
    fputs(experiment->interrupted ? "],\"interrupted\":true}\n" : "]}\n", stdout);
}
