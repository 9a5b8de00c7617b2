/*
 * advise: watches TIME_WAIT for a while, and names the least invasive remedy.
 *
 * Owns: for how long, and whom it is about: a command, a process, or the whole network
 * namespace. Nothing is changed: a command that a preload reaches runs under the library with
 * the plain close (off), which tells how long its connects took.
 */
#include "kernel/clock.h"
#include "launcher/ab/measure.h"
#include "launcher/advise/remedy.h"
#include "launcher/advise/watch.h"
#include "launcher/child.h"
#include "launcher/commands.h"
#include "launcher/failure.h"
#include "launcher/line.h"
#include "launcher/options.h"
#include "launcher/preload.h"
#include "launcher/sockets.h"
#include "policy/number.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS     500
#define SECONDS     60 /* where neither is said, nor a command named */
#define SECONDS_MAX 86400

struct advise_options {
    uint64_t seconds; /* 0: not said */
    pid_t process;    /* or 0 */
    char **command;   /* or NULL */
};

static struct watched watched;
static int diag;
static pid_t process;

/* The command, while it runs. */
static struct {
    struct library library;
    struct verdict verdict;
    struct series seen;
    int64_t end_ns; /* when enough was seen of it; 0: once it has ended */
    bool measured;  /* the library is in it */
    bool reported;
} command = {.seen = {.policy = "off"}};

static bool set_option(struct advise_options *options, int letter)
{
    switch (letter) {
    case 's':
        if (number_parse(optarg, strlen(optarg), 1, SECONDS_MAX, &options->seconds))
            return true;
        complain("--seconds: '%s' is not a number from 1 to %d", optarg, SECONDS_MAX);
        return false;
    case 'i':
        options->process = sockets_parse_pid(optarg);
        return options->process != 0;
    default:
        return false;
    }
}

static bool parse_options(int argc, char **argv, struct advise_options *options)
{
    static const struct option names[] = {
        {"seconds", required_argument, NULL, 's'},
        {"pid", required_argument, NULL, 'i'},
        COMMON_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    *options = (struct advise_options){.seconds = 0};
    for (int letter; (letter = options_next(argc, argv, COMMON_LETTERS, names)) != -1;)
        if (!set_option(options, letter))
            return false;
    options->command = optind < argc ? argv + optind : NULL;
    if (!options->process || !options->command)
        return true;
    complain("advise: a command or --pid, not both");
    return false;
}

static bool marked; /* a connection of the process was seen */

static void mark(const struct process_socket *socket, void *unused)
{
    (void)unused;
    if (socket->peer.any.sa_family == AF_UNSPEC)
        return;
    watch_mark(&watched, &socket->peer);
    marked = true;
}

static void look_once(void)
{
    if (process)
        (void)sockets_each(process, mark, NULL);
    (void)watch_look(&watched, diag);
}

/** Into the process's network namespace, where it is in another one. */
static bool enter_namespace(pid_t of)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)of);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool entered = setns(fd, CLONE_NEWNET) == 0;
    int error = errno;
    close(fd);
    if (entered)
        return true;
    /* Without the right to that, it may be ours anyway. */
    char its[64] = "", ours[64] = "";
    errno = error;
    return readlink(path, its, sizeof(its) - 1) > 0 &&
           readlink("/proc/self/ns/net", ours, sizeof(ours) - 1) > 0 && strcmp(its, ours) == 0;
}

static void watch_for(uint64_t seconds)
{
    int64_t end = clock_now() + (int64_t)seconds * NS_PER_S;
    child_hold_signals(CHILD_ENDING_SIGNALS);
    look_once();
    while (clock_now() < end && !child_interrupted()) {
        child_sleep(LOOK_MS);
        look_once();
    }
}

/** The environment says how the library is to be: that stands. */
static bool is_configured(const struct library *library)
{
    static const char prefix[] = "NOTIMEWAIT_";
    for (char **variable = environ; *variable; variable++)
        if (strncmp(*variable, prefix, sizeof(prefix) - 1) == 0)
            return true;
    return library->preset;
}

/** Whether the library comes along. Nothing is preloaded where it does not. */
static bool begin_measuring(char *const words[])
{
    const struct library *library = &command.library;
    if (!library->path[0] || is_configured(library) || !preload_reaches(words[0], library) ||
        !measure_begin())
        return false;
    if (preload_command(words[0], library, false))
        return true;
    measure_end();
    return false;
}

static void report_command(void)
{
    command.reported = true;
    remedy_print(&watched, &command.verdict, &command.seen);
    fflush(stdout); /* the command may go on for long */
}

/** While the command runs. Once enough was seen it goes on as it is, and is waited for. */
static void look_at_command(void)
{
    if (command.reported) {
        if (command.measured)
            measure_drop();
        return;
    }
    look_once();
    if (command.end_ns == 0 || clock_now() < command.end_ns)
        return;
    if (command.measured)
        measure_so_far(&command.seen);
    report_command();
}

/** Its output goes to stderr: only the advice is on stdout. */
static struct child_result run_command(char *const words[])
{
    static const struct child_options how = {
        .apart = true, .tick = look_at_command, .tick_ms = LOOK_MS};
    command.measured = begin_measuring(words);
    if (!command.measured)
        return child_run(words, &how);
    struct leftovers leftovers = {.diag = diag};
    struct child_result result = measure_once(words, &how, &command.seen, &leftovers, false);
    measure_end();
    tuples_clear(&leftovers.tuples);
    return result;
}

/** The command's status is ours. */
static int advise_command(const struct advise_options *options)
{
    if (!library_find(&command.library))
        command.library.path[0] = '\0';
    verdict_find(options->command[0], &command.library, &command.verdict);
    if (options->seconds > 0)
        command.end_ns = clock_now() + (int64_t)options->seconds * NS_PER_S;
    child_hold_signals(CHILD_ENDING_SIGNALS);
    look_once();
    struct child_result result = run_command(options->command);
    if (result.error)
        return failure_not_started(options->command[0], result.error);
    if (!command.reported) {
        look_once();
        report_command();
    }
    free(command.seen.runs);
    return result.status;
}

/** Of a process, or of all. */
static int advise_others(const struct advise_options *options)
{
    watch_for(options->seconds > 0 ? options->seconds : SECONDS);
    remedy_print(&watched, NULL, &command.seen);
    if (process && !marked)
        remedy_print_unseen();
    return child_interrupted() ? EXIT_INTERRUPTED : EXIT_SUCCESS;
}

static bool prepare(const struct advise_options *options)
{
    process = options->process;
    if (process && !enter_namespace(process)) {
        complain("advise: %d: %s", (int)process,
                 errno == ENOENT ? "there is no such process"
                                 : "it is in a network namespace that may not be entered");
        return false;
    }
    diag = diag_open();
    if (diag >= 0 && watch_look(&watched, diag))
        return true;
    complain("advise: the kernel does not list its sockets (sock_diag(7)): %s",
             strerror(errno));
    return false;
}

int advise_main(int argc, char **argv)
{
    struct advise_options options;
    if (!parse_options(argc, argv, &options))
        return EXIT_USAGE;
    if (!prepare(&options))
        return EXIT_FAILED;
    int status = options.command ? advise_command(&options) : advise_others(&options);
    free(watched.services);
    return status;
}
