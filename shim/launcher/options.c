#include "launcher/options.h"

#include "launcher/failure.h"
#include "launcher/line.h"
#include "policy/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *arguments, *what, *options;
} commands[] = {
#define COMMAND(name, ...) {#name, __VA_ARGS__},
#include "launcher/commands.def"
#undef COMMAND
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* Without a sub-command. */
static const char run_options[] =
    "-p POLICY     see below; or a split of the connections: 'off@90|auto@10'\n"
    "-r RULES      first match wins: 'port=5432 => drain; role=server => off'\n"
    "--log FILE    a JSON object per closed connection (stderr; %p: the pid)\n"
    "--stats FILE  a JSON object per process\n"
    "--board DIR   count there, live (on tmpfs: /run, /dev/shm)\n"
    "--reap        stay, and remove the TIME_WAIT entries that COMMAND leaves\n"
    "--by WAY      preload; supervise: from outside, Go and static ones, too\n"
    "              (off, auto, fin-rst, reap); both\n"
    "--anyway      runs what the library does not reach\n"
    "-h, --help, --version\n";

static const char statuses[] =
    "Exit status: that of COMMAND; 126 it cannot be run, 127 it is not found, 2 bad\n"
    "usage or configuration, no permission for --reap, or the way does not reach\n"
    "COMMAND. ab: 0, 1 no run succeeded, 130 interrupted. check: 0 it works, 1 not.\n"
    "NOTIMEWAIT_ variables count where no option says otherwise: libnotimewait(7).\n";

/** `text` in lines of at most 79 columns. */
static void print_wrapped(const char *text)
{
    size_t most = 79;
    while (strlen(text) > most) {
        size_t len = most;
        while (len > 1 && text[len] != ' ')
            len--;
        printf("%.*s\n      ", (int)len, text);
        text += len + 1;
        most = 79 - 6;
    }
    puts(text);
}

static void print_policies(void)
{
    char line[512];
    struct text text = text_in(line, sizeof(line));
    text_str(&text, "POLICY is one of: ");
    policy_accepted(&text);
    print_wrapped(line);
}

/** Option by option; the first one behind the command's name. */
static void print_options(const char *name, const char *options)
{
    for (size_t length; *options; options += length, name = "") {
        length = strcspn(options, "\n");
        length += options[length] == '\n';
        printf("%-7s", name);
        fwrite(options, 1, length, stdout);
    }
}

/** "Usage: notimewait check [OPTION...] ...   is it reached?" */
static void print_usage(size_t command, const char *before, int width)
{
    printf("%s notimewait %s%s%-*s  %s\n", before, commands[command].name, " ",
           width - (int)strlen(commands[command].name), commands[command].arguments,
           commands[command].what);
}

#define USAGE_WIDTH 36 /* of a sub-command's name and arguments, where all are listed */

static void show_all(void)
{
    printf("Usage: notimewait %-*s  run with the library\n", USAGE_WIDTH + 1,
           "[OPTION...] [--] COMMAND [ARG]...");
    for (size_t i = 0; i < COMMANDS; i++)
        print_usage(i, "      ", USAGE_WIDTH);
    print_options("run", run_options);
    for (size_t i = 0; i < COMMANDS; i++)
        print_options(commands[i].name, commands[i].options);
    puts("Each has its own --help.");
    print_policies();
    fputs(statuses, stdout);
}

static void show_help(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) != 0)
            continue;
        print_usage(i, "Usage:", 0);
        print_options("", commands[i].options);
        if (strstr(commands[i].options, "POLICY") || strstr(commands[i].arguments, "POLICY"))
            print_policies();
        puts("All sub-commands: notimewait --help; the manual: notimewait(1).");
        return;
    }
    show_all();
}

int options_stdout_status(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    complain("standard output: %s", strerror(errno));
    return status == EXIT_SUCCESS ? EXIT_FAILED : status;
}

/** The option that getopt_long() stopped at, as it was given. */
static void complain_option(char **argv, const char *what)
{
    const char *word = argv[optind - 1];
    if (strncmp(word, "--", 2) == 0)
        complain("%s: %s (see notimewait --help)", word, what);
    else
        complain("-%c: %s (see notimewait --help)", optopt, what);
}

int options_next(int argc, char **argv, const char *letters, const struct option *names)
{
    int option = getopt_long(argc, argv, letters, names, NULL);
    switch (option) {
    case 'h':
        show_help(argv[0]);
        exit(options_stdout_status(EXIT_SUCCESS));
    case 'V':
        puts("notimewait " VERSION);
        exit(options_stdout_status(EXIT_SUCCESS));
    case ':':
        complain_option(argv, "needs a value");
        return '?';
    case '?':
        complain_option(argv, "no such option");
        return '?';
    default:
        return option;
    }
}
