#include "launcher/ab/print.h"

#include "launcher/inspect.h"
#include "launcher/library.h"
#include "launcher/line.h"

#include <math.h>

/* What notes are about, counted in a run. */

static size_t failed(const struct measured *run)
{
    return run->status != 0;
}

static size_t contaminated(const struct measured *run)
{
    return run->contaminated;
}

static size_t unobserved(const struct measured *run)
{
    return !run->observed;
}

static size_t without_tcp(const struct measured *run)
{
    return run->value[CONNECTIONS] == 0 && run->value[CONNECT_ERRORS] == 0;
}

static size_t not_told(const struct measured *run)
{
    return run->observed && isnan(run->value[TIME_WAIT_LEFT]);
}

static size_t outlasting(const struct measured *run)
{
    return run->value[WALL_S] > 60;
}

static size_t still_closing(const struct measured *run)
{
    return run->still_closing;
}

static size_t killed(const struct measured *run)
{
    return run->killed;
}

static size_t unknown(const struct measured *run)
{
    return (size_t)run->unknown;
}

/** What is told of a policy where `count`, summed over its runs, is not zero. */
static const struct note {
    size_t (*count)(const struct measured *run);
    const char *text;
    const char *of; /* what is counted, or NULL: runs */
} notes[] = {
    {failed, "failed, with another exit status than 0", NULL},
    {contaminated, "contaminated: TIME_WAIT entries of earlier runs were there", NULL},
    {without_tcp, "made no TCP connection, and no connect() was seen to fail", NULL},
    {unobserved,
     "not seen, so nothing is known of its connections: the library was not "
     "loaded, or could not write, or all processes were killed",
     NULL},
    {not_told, "without TIME_WAIT figure: the kernel has no sock_diag(7)", NULL},
    {outlasting, "of more than 60 s: TIME_WAIT entries that expired meanwhile are missing",
     NULL},
    {killed,
     "were killed that the board did not reach: their failed connects, and what they "
     "had open, are not known",
     "processes"},
    {still_closing, "had not ended 2 s after their run: TIME_WAIT may follow", "connections"},
    {unknown, "are missing in TIME_WAIT left: their records were lost", "connections"},
};

static size_t sum(const struct series *arm, size_t (*count)(const struct measured *run))
{
    size_t n = 0;
    for (size_t i = 0; i < arm->count; i++)
        n += count(&arm->runs[i]);
    return n;
}

static void print_errors(const struct series *arm, FILE *file)
{
    if (!arm->errors[0].name[0])
        return;
    fprintf(file, "%s: failed connects:", arm->policy);
    for (size_t i = 0; i < CONNECT_ERRORS_MAX && arm->errors[i].name[0]; i++)
        fprintf(file, "%s %s %.0f", i > 0 ? "," : "", arm->errors[i].name,
                arm->errors[i].count);
    fputc('\n', file);
}

static void print_arm_notes(const struct series *arm, FILE *file)
{
    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        size_t n = sum(arm, notes[i].count);
        if (n > 0 && !notes[i].of)
            fprintf(file, "%s: %zu of %zu runs %s\n", arm->policy, n, arm->count,
                    notes[i].text);
        else if (n > 0)
            fprintf(file, "%s: %zu %s %s\n", arm->policy, n, notes[i].of, notes[i].text);
    }
    print_errors(arm, file);
}

/** Why the library could not be loaded, if that can be seen. */
static void explain_unobserved(const struct experiment *experiment, FILE *file)
{
    static struct library library;
    static struct inspection inspection;
    size_t n = 0;
    for (unsigned i = 0; i < experiment->count; i++)
        n += sum(&experiment->arms[i], unobserved);
    if (n == 0 || !library_find(&library) ||
        findings[inspect(experiment->command[0], &library, &inspection)->finding].reach ==
            REACH_REACHED)
        return;
    const struct inspected *last = &inspection.chain[inspection.count - 1];
    line_print(file, "%s: %s", last->path, findings[last->finding].what);
}

/** How many runs would tell a difference that is noise now, did it stay as it is. */
static void print_proposal(const struct experiment *experiment, FILE *file)
{
    size_t most = 0;
    bool few = false;
    for (unsigned i = 1; i < experiment->count; i++)
        for (int figure = 0; figure < FIGURES; figure++) {
            struct comparison comparison =
                figure_compare(&experiment->arms[0], &experiment->arms[i], (enum figure)figure);
            few = few || comparison.verdict == VERDICT_FEW;
            if (comparison.runs > most)
                most = comparison.runs;
        }
    if (most > experiment->planned)
        fprintf(file,
                few ? "More runs: -n %zu is the least that can tell a difference.\n"
                    : "More runs (-n %zu) would decide what is noise now, did it stay.\n",
                most);
}

void ab_print_notes(const struct experiment *experiment, FILE *file)
{
    for (unsigned i = 0; i < experiment->count; i++)
        print_arm_notes(&experiment->arms[i], file);
    print_proposal(experiment, file);
    explain_unobserved(experiment, file);
    if (experiment->rules_ignored)
        fprintf(file, "NOTIMEWAIT_RULES is not applied: a run has one policy.\n");
    if (experiment->files_ignored)
        fputs("NOTIMEWAIT_LOG and NOTIMEWAIT_STATS are not written, nor a board: ab reads its "
              "own.\n",
              file);
    if (experiment_failed(experiment))
        fprintf(file, "No run succeeded: compared is how they fail.\n");
    if (experiment->interrupted)
        fprintf(file, "Interrupted: %zu of %u runs were made.\n", figure_runs(experiment),
                experiment->planned * experiment->count);
}
