#include "run.h"

#include "inspect.h"
#include "launcher.h"
#include "library.h"
#include "line.h"
#include "reaper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** The options, and the variables that they are short for. */
static const struct setting {
    int letter;
    const char *variable;
} settings[] = {
    {'p', "NOTIMEWAIT_POLICY"},
    {'r', "NOTIMEWAIT_RULES"},
    {'l', "NOTIMEWAIT_LOG"},
    {'s', "NOTIMEWAIT_STATS"},
};

void run_set(const char *variable, const char *value)
{
    unsetenv(variable); /* all of that name: setenv() replaces one */
    setenv(variable, value, true);
}

static void set_option(int letter)
{
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (settings[i].letter == letter)
            run_set(settings[i].variable, optarg);
}

bool run_configuration(struct config *config)
{
    char error[CONFIG_ERROR_SIZE];
    if (config_parse(environ, config, error))
        return true;
    fprintf(stderr, "%s\n", error);
    return false;
}

int run_failed(const char *command, int error)
{
    static struct library none;
    static struct inspection inspection;
    inspect(command, &none, &inspection);
    const struct inspected *last = &inspection.chain[inspection.count - 1];
    /* execvp(3) says EACCES, too, where it may not search one of the directories in PATH. */
    bool missing = inspection.count == 1 && last->finding == FINDING_NOT_FOUND;
    if (error != ENOENT && !(error == EACCES && missing)) {
        complain("%s: %s", command, strerror(error));
        return EXIT_CANNOT_RUN;
    }
    if (inspection.count > 1) /* what is not found is the interpreter */
        complain("%s: %s: %s", command, last->path, findings[last->finding].what);
    else
        complain("%s: %s", command, findings[last->finding].what);
    return EXIT_NOT_FOUND;
}

int run_main(int argc, char **argv)
{
    static const struct option names[] = {
        {"log", required_argument, NULL, 'l'},
        {"stats", required_argument, NULL, 's'},
        {"reap", no_argument, NULL, 'R'},
        COMMON_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    static struct config config;
    static struct library library;
    bool reap = false;
    for (int letter; (letter = next_option(argc, argv, "+:p:r:", names)) != -1;) {
        if (letter == '?')
            return EXIT_USAGE;
        reap = reap || letter == 'R';
        set_option(letter);
    }
    if (optind == argc) {
        complain("no command to run (see notimewait --help)");
        return EXIT_USAGE;
    }
    if (!run_configuration(&config) || !library_find(&library))
        return EXIT_USAGE;
    library_preload(&library);
    if (reap)
        return reaper_run(argv + optind);
    execvp(argv[optind], argv + optind);
    return run_failed(argv[optind], errno);
}
