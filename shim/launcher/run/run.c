/*
 * run: starts the command under the library, in place of the launcher or, with --reap, as its
 * child.
 */
#include "launcher/commands.h"
#include "launcher/environment.h"
#include "launcher/failure.h"
#include "launcher/line.h"
#include "launcher/options.h"
#include "launcher/preload.h"
#include "launcher/reap/reaper.h"
#include "launcher/supervise/supervise.h"
#include "policy/settings.h"
#include "report/board.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** How the command is reached. */
enum by { BY_PRELOAD, BY_SUPERVISE, BY_BOTH, BYS };

static const char *const by_names[BYS] = {"preload", "supervise", "both"};

struct run_options {
    enum by by;
    bool reap, anyway;
    char **command;
};

/** Sets the variable that the option is short for, if there is one. */
static void set_variable(int letter)
{
    static const struct {
        int letter;
        const char *variable;
    } variables[] = {
        {'p', "NOTIMEWAIT_POLICY"}, {'r', "NOTIMEWAIT_RULES"}, {'l', "NOTIMEWAIT_LOG"},
        {'s', "NOTIMEWAIT_STATS"},  {'B', "NOTIMEWAIT_BOARD"},
    };
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        if (variables[i].letter == letter)
            environment_set(variables[i].variable, optarg);
}

/** Complains of `notimewait -p auto check`: the options of a run are for none of these. */
static bool is_misplaced(char **argv, const char *word)
{
    if (optind == 1 || strcmp(argv[optind - 1], "--") == 0 || !commands_is_name(word))
        return false;
    complain("%s: write it first: notimewait %s (or -- %s, to run a command of that name)",
             word, word, word);
    return true;
}

static bool set_by(struct run_options *options)
{
    for (options->by = BY_PRELOAD; options->by < BYS; options->by++)
        if (strcmp(optarg, by_names[options->by]) == 0)
            return true;
    complain("--by: '%s' is not accepted; accepted: preload, supervise, both", optarg);
    return false;
}

static bool parse_options(int argc, char **argv, struct run_options *options)
{
    static const struct option names[] = {
        {"log", required_argument, NULL, 'l'},
        {"stats", required_argument, NULL, 's'},
        {"board", required_argument, NULL, 'B'},
        {"reap", no_argument, NULL, 'R'},
        {"by", required_argument, NULL, 'b'},
        {"anyway", no_argument, NULL, 'A'},
        COMMON_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    *options = (struct run_options){.reap = false};
    for (int letter; (letter = options_next(argc, argv, COMMON_LETTERS "p:r:", names)) != -1;) {
        if (letter == '?' || (letter == 'b' && !set_by(options)))
            return false;
        options->reap = options->reap || letter == 'R';
        options->anyway = options->anyway || letter == 'A';
        set_variable(letter);
    }
    options->command = argv + optind;
    if (optind == argc)
        complain("no command to run (see notimewait --help)");
    return optind < argc && !is_misplaced(argv, argv[optind]);
}

/** Makes the board where it is not there, and names it so that a command that changes its
 * directory finds it. Where that cannot be, the library says why. */
static void make_board(const char *directory)
{
    char path[PATH_MAX];
    if (strncmp(directory, "/proc/", 6) == 0)
        return;
    (void)board_make(directory);
    if (realpath(directory, path))
        environment_set("NOTIMEWAIT_BOARD", path);
}

/** Prepares what the chosen way needs; false, after a line, where it does not reach. */
static bool prepare_way(const struct run_options *options, const struct config *config)
{
    static struct library library;
    bool preloads = options->by != BY_SUPERVISE;
    const char *command = options->command[0];
    if (preloads &&
        (!library_find(&library) ||
         !preload_command(command, &library, options->anyway || options->by == BY_BOTH)))
        return false;
    if (options->by == BY_PRELOAD || options->anyway)
        return true;
    bool library_is_there = preloads && preload_reaches(command, &library);
    return supervise_reaches(command) && supervise_accepts(config, library_is_there);
}

/** What is below may load it: it is preloaded by us, or the environment names it. */
static bool library_may_be_there(const struct run_options *options)
{
    const char *preload = getenv("LD_PRELOAD");
    return options->by == BY_BOTH || (preload && strstr(preload, "libnotimewait"));
}

int run_main(int argc, char **argv)
{
    struct config *config = &settings.config;
    struct run_options options;
    if (!parse_options(argc, argv, &options) || !environment_configuration(config) ||
        !prepare_way(&options, config))
        return EXIT_USAGE;
    if (config->board)
        make_board(config->board);
    if (options.by != BY_PRELOAD)
        return supervise_command(
            options.command, &(struct supervision){.config = config,
                                                   .reap = options.reap,
                                                   .library = library_may_be_there(&options)});
    if (options.reap)
        return reaper_run_command(options.command);
    execvp(options.command[0], options.command);
    return failure_not_started(options.command[0], errno);
}
