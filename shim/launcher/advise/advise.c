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
#define SECONDS_MAX 86400

struct advise_options {
    uint64_t seconds;
    pid_t process;  /* or 0 */
    char **command; /* or NULL */
};

static struct watched watched;
static int diag;
static pid_t process;

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
    *options = (struct advise_options){.seconds = 60};
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
static bool begin_measuring(char *const command[], const struct library *library)
{
    if (!library->path[0] || is_configured(library) || !preload_reaches(command[0], library) ||
        !measure_begin())
        return false;
    if (preload_command(command[0], library, false))
        return true;
    measure_end();
    return false;
}

/** Its output goes to stderr: only the advice is on stdout. Returns 0 or an errno. */
static int run_command(char *const command[], const struct library *library,
                       struct series *seen)
{
    static const struct child_options how = {
        .apart = true, .tick = look_once, .tick_ms = LOOK_MS};
    if (!begin_measuring(command, library))
        return child_run(command, &how).error;
    struct leftovers leftovers = {.diag = diag};
    int error = measure_once(command, &how, seen, &leftovers, false);
    measure_end();
    tuples_clear(&leftovers.tuples);
    return error;
}

static int watch_command(char *const command[], const struct library *library,
                         struct series *seen)
{
    child_hold_signals(CHILD_ENDING_SIGNALS);
    look_once();
    int error = run_command(command, library, seen);
    look_once();
    return error ? failure_not_started(command[0], error) : EXIT_SUCCESS;
}

static int watch_all(const struct advise_options *options, const struct library *library,
                     struct series *seen)
{
    if (options->command)
        return watch_command(options->command, library, seen);
    watch_for(options->seconds);
    return EXIT_SUCCESS;
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
    static struct library library;
    static struct verdict verdict;
    static struct series seen = {.policy = "off"};
    struct advise_options options;
    if (!parse_options(argc, argv, &options))
        return EXIT_USAGE;
    if (!prepare(&options))
        return EXIT_FAILED;
    if (options.command) {
        if (!library_find(&library))
            library.path[0] = '\0';
        verdict_find(options.command[0], &library, &verdict);
    }
    int status = watch_all(&options, &library, &seen);
    if (status != EXIT_SUCCESS)
        return status;
    remedy_print(&watched, options.command ? &verdict : NULL, &seen);
    if (process && !marked)
        remedy_print_unseen();
    free(seen.runs);
    free(watched.services);
    return child_interrupted() ? EXIT_INTERRUPTED : EXIT_SUCCESS;
}
