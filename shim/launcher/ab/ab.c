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

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define RUNS_MAX 1000

struct options {
    const char *policies; /* or NULL */
    const char *markdown; /* a file, or NULL */
    uint64_t runs, warm_up;
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
    case 'W':
        if (number_parse(optarg, strlen(optarg), 1, RUNS_MAX, &options->warm_up))
            return true;
        complain("--warm-up: '%s' is not a number from 1 to %d", optarg, RUNS_MAX);
        return false;
    case 'm':
        options->markdown = optarg;
        return true;
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
        {"export-markdown", required_argument, NULL, 'm'},
        {"warm-up", required_argument, NULL, 'W'},
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
    experiment->warm_up = (unsigned)options->warm_up;
    experiment->seeded = config.seeded;
    experiment->seed = config.seed;
    experiment->files_ignored = config.log || config.stats || config.board;
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

/** A run that is to be made. */
struct turn {
    struct series *arm;
    unsigned number, all; /* warm-ups are numbered from 1 on by themselves */
    bool warm_up;
};

/** Returns whether to go on. */
static bool run_one(const struct options *options, struct experiment *experiment,
                    const struct turn *turn, struct leftovers *leftovers, int64_t start_ns)
{
    char name[32];
    char left_buf[40];
    struct text left = text_in(left_buf, sizeof(left_buf));
    struct series unused = {.policy = ""};
    snprintf(name, sizeof(name), "%s %u of %u", turn->warm_up ? "warm-up" : "run", turn->number,
             turn->all);
    bool clean = leftovers_clear(leftovers, options->no_wait ? NULL : name);
    if (child_interrupted())
        return false;
    if (!turn->warm_up)
        time_left(turn->number - 1, turn->all, start_ns, &left);
    progress_line("%s: %s%s", name, turn->arm->policy, left.buf);
    memcpy(unused.policy, turn->arm->policy, sizeof(unused.policy));
    experiment->error =
        measure_once(experiment->command, &(struct child_options){.apart = true},
                     turn->warm_up ? &unused : turn->arm, leftovers, !clean)
            .error;
    free(unused.runs);
    return experiment->error == 0 && !child_interrupted();
}

static bool warm_up(const struct options *options, struct experiment *experiment,
                    struct leftovers *leftovers)
{
    for (unsigned i = 0; i < experiment->warm_up; i++) {
        struct turn turn = {.arm = &experiment->arms[i % experiment->count],
                            .number = i + 1,
                            .all = experiment->warm_up,
                            .warm_up = true};
        if (!run_one(options, experiment, &turn, leftovers, 0))
            return false;
    }
    return true;
}

/** A number below `below`; the same ones in each experiment with NOTIMEWAIT_SEED. */
static unsigned random_below(const struct experiment *experiment, unsigned below)
{
    static uint64_t state;
    uint64_t z;
    if (!experiment->seeded && getrandom(&z, sizeof(z), 0) == sizeof(z))
        return (unsigned)(z % below);
    state = state ? state : experiment->seed + 1;
    z = (state += UINT64_C(0x9e3779b97f4a7c15)); /* SplitMix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((z ^ (z >> 31)) % below);
}

/** The order of the arms in a round: any, so that what changes with time, or what a run leaves
 * to the next, favours none. */
static void shuffle(const struct experiment *experiment, unsigned order[ARMS_MAX])
{
    for (unsigned i = 0; i < experiment->count; i++) {
        unsigned j = random_below(experiment, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}

/** Returns whether to go on. */
static bool run_round(const struct options *options, struct experiment *experiment,
                      unsigned round, struct leftovers *leftovers, int64_t start_ns)
{
    unsigned order[ARMS_MAX] = {0};
    shuffle(experiment, order);
    for (unsigned i = 0; i < experiment->count; i++) {
        struct turn turn = {.arm = &experiment->arms[order[i]],
                            .number = round * experiment->count + i + 1,
                            .all = experiment->planned * experiment->count};
        if (!run_one(options, experiment, &turn, leftovers, start_ns))
            return false;
    }
    return true;
}

static void run_all(const struct options *options, struct experiment *experiment)
{
    struct leftovers leftovers = {.diag = diag_open()};
    child_hold_signals(CHILD_ENDING_SIGNALS);
    progress_line("%u runs in all; the first one tells how long they take",
                  experiment->planned * experiment->count);
    bool more = warm_up(options, experiment, &leftovers);
    int64_t start_ns = clock_now();
    for (unsigned round = 0; more && round < experiment->planned; round++)
        more = run_round(options, experiment, round, &leftovers, start_ns);
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

static bool export_markdown(const struct experiment *experiment, const char *path)
{
    FILE *file = fopen(path, "we");
    if (file)
        ab_print_markdown(experiment, file);
    if (file && fclose(file) == 0)
        return true;
    complain("%s: %s", path, strerror(errno));
    return false;
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
    if (options.markdown && !export_markdown(&experiment, options.markdown))
        return EXIT_FAILED;
    return status_of(&experiment);
}
