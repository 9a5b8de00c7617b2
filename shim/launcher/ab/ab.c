/*
 * ab: runs the command under several policies by turns, and compares.
 *
 * Owns: the order of the runs, and that one does not contaminate the next.
 */
#include "kernel/clock.h"
#include "kernel/diag.h"
#include "launcher/ab/figures.h"
#include "launcher/ab/leftovers.h"
#include "launcher/ab/measure.h"
#include "launcher/ab/print.h"
#include "launcher/ab/progress.h"
#include "launcher/child.h"
#include "launcher/commands.h"
#include "launcher/environment.h"
#include "launcher/failure.h"
#include "launcher/line.h"
#include "launcher/options.h"
#include "launcher/preload.h"
#include "policy/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUNS_MAX 1000

struct options {
    const char *policies; /* or NULL */
    uint64_t runs;
    bool json, no_wait, anyway;
    char **command;
};

static bool set_option(struct options *options, int letter)
{
    switch (letter) {
    case 'n':
        if (number_parse(optarg, strlen(optarg), 1, RUNS_MAX, &options->runs))
            return true;
        complain("-n: '%s' is not a number from 1 to %d", optarg, RUNS_MAX);
        return false;
    case 'p':
        options->policies = optarg;
        return true;
    case 'j':
        options->json = true;
        return true;
    case 'w':
        options->no_wait = true;
        return true;
    case 'A':
        options->anyway = true;
        return true;
    default:
        return false;
    }
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"json", no_argument, NULL, 'j'},
        {"no-wait", no_argument, NULL, 'w'},
        {"anyway", no_argument, NULL, 'A'},
        COMMON_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    *options = (struct options){.runs = 5};
    for (int letter; (letter = options_next(argc, argv, COMMON_LETTERS "n:p:", names)) != -1;)
        if (!set_option(options, letter))
            return false;
    options->command = argv + optind;
    if (optind == argc)
        complain("ab: no command to run (see notimewait --help)");
    return optind < argc;
}

/** An arm for each policy of the split. */
static bool make_arms(const struct split *split, struct experiment *experiment)
{
    for (unsigned i = 0; i < split->count; i++) {
        struct series *arm = &experiment->arms[experiment->count++];
        struct text name = text_in(arm->policy, sizeof(arm->policy));
        policy_text(&name, split->arms[i].policy);
        if (split->arms[i].weight == 1)
            continue;
        complain("ab: -p: '%s@%u': every policy is run equally often", arm->policy,
                 split->arms[i].weight);
        return false;
    }
    return true;
}

static bool configure(const struct options *options, struct experiment *experiment)
{
    static struct config config;
    if (!options->policies && !environment_configuration(&config))
        return false; /* what is inherited is refused, though the policies are others */
    environment_set("NOTIMEWAIT_POLICY", options->policies ? options->policies : "off|auto");
    if (!environment_configuration(&config) || !make_arms(&config.split, experiment))
        return false;
    experiment->command = options->command;
    experiment->planned = (unsigned)options->runs;
    experiment->rules_ignored = config.rules.count > 0;
    experiment->files_ignored = config.log || config.stats;
    unsetenv("NOTIMEWAIT_RULES");
    return true;
}

/** ", about 40 s left", from what was needed so far; "" before the first run has ended. */
static void time_left(unsigned made, unsigned all, int64_t start_ns, struct text *text)
{
    int64_t s = (clock_now() - start_ns) / NS_PER_S;
    if (made == 0)
        return;
    text_str(text, ", about ");
    text_number(text, (uint64_t)s * (all - made) / made, 1);
    text_str(text, " s left");
}

/** Returns whether to go on. */
static bool run_one(const struct options *options, struct experiment *experiment, unsigned made,
                    struct leftovers *leftovers, int64_t start_ns)
{
    char name[32];
    char left_buf[40];
    struct text left = text_in(left_buf, sizeof(left_buf));
    unsigned all = experiment->planned * experiment->count;
    struct series *arm = &experiment->arms[made % experiment->count];
    snprintf(name, sizeof(name), "run %u of %u", made + 1, all);
    bool clean = leftovers_clear(leftovers, options->no_wait ? NULL : name);
    if (child_interrupted())
        return false;
    time_left(made, all, start_ns, &left);
    progress_line("%s: %s%s", name, arm->policy, left.buf);
    experiment->error = measure_once(experiment->command, arm, leftovers, !clean);
    return experiment->error == 0 && !child_interrupted();
}

static void run_all(const struct options *options, struct experiment *experiment)
{
    struct leftovers leftovers = {.diag = diag_open()};
    int64_t start_ns = clock_now();
    unsigned all = experiment->planned * experiment->count;
    child_hold_signals(CHILD_ENDING_SIGNALS);
    for (unsigned made = 0; made < all; made++)
        if (!run_one(options, experiment, made, &leftovers, start_ns))
            break;
    progress_end();
    experiment->interrupted = child_interrupted();
    tuples_clear(&leftovers.tuples);
    if (leftovers.diag >= 0)
        diag_close(leftovers.diag);
}

static int status_of(const struct experiment *experiment)
{
    if (experiment->error)
        return failure_not_started(experiment->command[0], experiment->error);
    if (experiment->interrupted)
        return EXIT_INTERRUPTED;
    return experiment_failed(experiment) ? EXIT_FAILED : EXIT_SUCCESS;
}

int ab_main(int argc, char **argv)
{
    static struct experiment experiment;
    static struct library library;
    struct options options;
    if (!parse_options(argc, argv, &options) || !configure(&options, &experiment) ||
        !library_find(&library) ||
        !preload_command(options.command[0], &library, options.anyway))
        return EXIT_USAGE;
    bool begun = measure_begin();
    if (begun)
        run_all(&options, &experiment);
    measure_end();
    if (!begun)
        return EXIT_FAILED;
    if (options.json)
        ab_print_json(&experiment);
    else
        ab_print_table(&experiment);
    ab_print_notes(&experiment, options.json ? stderr : stdout);
    return status_of(&experiment);
}
