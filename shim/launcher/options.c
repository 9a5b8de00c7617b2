#include "launcher/options.h"

#include "launcher/failure.h"
#include "launcher/line.h"
#include "policy/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "Usage: notimewait [OPTION...] [--] COMMAND [ARG]...     run with the library\n"
    "       notimewait ab [OPTION...] [--] COMMAND [ARG]...  compare policies\n"
    "       notimewait advise [OPTION...] [--] [COMMAND...]  name a remedy\n"
    "       notimewait attach [OPTION...] PID                set up a running server\n"
    "       notimewait board DIR                             make an empty board\n"
    "       notimewait report [OPTION...] DIR|LOG...         show them by policy\n"
    "       notimewait switch DIR off|POLICY|reset           for all its processes\n"
    "       notimewait check [--json] [--pid PID] [COMMAND]  is it reached?\n"
    "run   -p POLICY     see below; or a split of the connections: 'off@90|auto@10'\n"
    "      -r RULES      first match wins: 'port=5432 => drain; role=server => off'\n"
    "      --log FILE    a JSON object per closed connection (stderr; %p: the pid)\n"
    "      --stats FILE  a JSON object per process\n"
    "      --board DIR   count there, live (on tmpfs: /run, /dev/shm)\n"
    "      --reap        stay, and remove the TIME_WAIT entries that COMMAND leaves\n"
    "      --by WAY      preload; supervise: from outside, Go and static ones, too\n"
    "                    (off, auto, fin-rst, reap); both\n"
    "ab    -p 'A|B'      the policies; the others are compared with the first\n"
    "      -n RUNS       runs of each policy, in rounds of random order (5)\n"
    "      --json, --export-markdown FILE   the figures, for programs or a document\n"
    "      --warm-up N   N runs before, which do not count; --no-wait for TIME_WAIT\n"
    "report --json, --openmetrics, --prometheus, --watch; --output FILE\n"
    "advise --seconds N   how long to watch (60, or until COMMAND ends); --pid PID\n"
    "attach -p POLICY    fin-rst or off; --tree: children; --connections: open ones\n"
    "run, ab --anyway (runs what the library does not reach), -h, --help, --version\n";

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

static void show_help(void)
{
    char line[512];
    struct text text = text_in(line, sizeof(line));
    text_str(&text, "POLICY is one of: ");
    policy_accepted(&text);
    fputs(usage, stdout);
    print_wrapped(line);
    fputs(statuses, stdout);
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
        show_help();
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
