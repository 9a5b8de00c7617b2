/*
 * check: whether a command can be reached and by which way, and why; then what is configured,
 * and what this kernel and these privileges allow.
 */
#include "kernel/file.h"
#include "launcher/check/process.h"
#include "launcher/check/verdict.h"
#include "launcher/commands.h"
#include "launcher/counters.h"
#include "launcher/elf.h"
#include "launcher/failure.h"
#include "launcher/line.h"
#include "launcher/options.h"
#include "launcher/probe.h"
#include "launcher/sockets.h"
#include "launcher/supervise/possible.h"
#include "policy/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define TIME_WAIT_S 60       /* TCP_TIMEWAIT_LEN */
#define LABEL       "%-19s " /* what begins a line */

static void print_line(const char *label, const char *value)
{
    line_print(stdout, LABEL "%s", label, value);
}

static void print_variable(const char *name, const char *value)
{
    bool file = strcmp(name, "NOTIMEWAIT_LOG") == 0 || strcmp(name, "NOTIMEWAIT_STATS") == 0;
    if (file && strcmp(value, "stderr") != 0 && !file_can_be_appended_to(value, close))
        line_print(stdout, LABEL "%s (cannot be opened: %s)", name, value, strerror(errno));
    else
        print_line(name, value);
}

static void check_configuration(void)
{
    static struct config config;
    char error[CONFIG_ERROR_SIZE];
    const char *name, *preset;
    for (unsigned i = 0; (name = config_variable(i, &preset)) != NULL; i++) {
        const char *value = getenv(name);
        if (value && *value)
            print_variable(name, value);
        else
            line_print(stdout, LABEL "%s (default)", name, preset);
    }
    if (!config_parse(environ, &config, error))
        print_line("configuration", error);
}

static void check_library(const struct library *library)
{
    struct elf elf;
    if (!library->path[0]) {
        print_line("library", "not found, or its path cannot be preloaded");
        return;
    }
    if (!elf_open(library->path, &elf) || !elf.is_elf)
        line_print(stdout, LABEL "%s (%s)", "library", library->path, library->where);
    else
        line_print(stdout, LABEL "%s (%s; %s, %s)", "library", library->path, library->where,
                   elf_machine(&elf), libc_names[elf_needed_libc(&elf)]);
    elf_close(&elf);
}

static void check_kernel(void)
{
    struct utsname name;
    if (uname(&name) == 0)
        line_print(stdout, LABEL "%s %s, %s", "kernel", name.sysname, name.release,
                   name.machine);
}

static void check_privileges(void)
{
    static const struct {
        const char *capability, *destroy;
    } texts[] = {
        [PROBE_POSSIBLE] = {"CAP_NET_ADMIN over this network namespace",
                            "possible: TIME_WAIT entries can be removed"},
        [PROBE_NOT_PERMITTED] = {"no CAP_NET_ADMIN over this network namespace",
                                 "not permitted: TIME_WAIT entries cannot be removed"},
        [PROBE_NO_TIME_WAIT] = {"CAP_NET_ADMIN over this network namespace",
                                "not for TIME_WAIT entries: the kernel is too old"},
        [PROBE_NO_KERNEL] = {"CAP_NET_ADMIN could not be tried",
                             "the kernel lacks CONFIG_INET_DIAG_DESTROY"},
        [PROBE_UNKNOWN] = {"CAP_NET_ADMIN could not be tried",
                           "could not be tried: no loopback address, or no sock_diag(7)"},
    };
    enum probe probe = probe_destroy();
    line_print(stdout, LABEL "uid %u, %s", "privileges", (unsigned)geteuid(),
               texts[probe].capability);
    print_line("SOCK_DESTROY", texts[probe].destroy);
}

static void check_settings(void)
{
    static const char *const reuse[] = {
        "0: ports in TIME_WAIT are not used again",
        "1: ports in TIME_WAIT are used again after 1 s (needs TCP timestamps)",
        "2: ports in TIME_WAIT are used again after 1 s, on loopback only",
    };
    long n[2];
    if (counters_file("/proc/sys/net/ipv4/tcp_tw_reuse", n, 1) && n[0] >= 0 && n[0] <= 2)
        print_line("tcp_tw_reuse", reuse[n[0]]);
    if (counters_file("/proc/sys/net/ipv4/tcp_fin_timeout", n, 1))
        line_print(stdout, LABEL "%ld s", "tcp_fin_timeout", n[0]);
    if (counters_file("/proc/sys/net/ipv4/ip_local_port_range", n, 2))
        line_print(stdout,
                   LABEL "%ld-%ld: %ld; with %d s of TIME_WAIT, %ld connections/s to one peer",
                   "local ports", n[0], n[1], n[1] - n[0] + 1, TIME_WAIT_S,
                   (n[1] - n[0] + 1) / TIME_WAIT_S);
}

static void print_inspected(const char *label, const struct inspected *inspected)
{
    bool script = inspected->finding == FINDING_SCRIPT;
    const char *open = script ? " " : " (";
    const char *close = script ? "" : ")";
    bool detail = inspected->detail[0] != '\0';
    line_print(stdout, LABEL "%s: %s%s%s%s", label, inspected->path,
               findings[inspected->finding].what, detail ? open : "", inspected->detail,
               detail ? close : "");
}

static void print_runtime(const struct inspected *inspected)
{
    if (inspected->runtime[0])
        line_print(stdout, LABEL "%s: notimewait preloads it first", "sanitizer",
                   inspected->runtime);
}

static void print_supervision(int error)
{
    if (error == 0)
        line_print(stdout, LABEL "possible%s", "supervision",
                   possible_to_gain_rights()
                       ? ""
                       : "; programs below it cannot gain rights (no_new_privs)");
    else
        line_print(stdout, LABEL "not possible here: %s", "supervision", strerror(error));
}

/** How the command was looked at, and what passes the library by. */
static void print_command(const struct verdict *verdict)
{
    const struct inspection *inspection = &verdict->inspection;
    for (unsigned i = 0; i < inspection->count; i++)
        print_inspected(i == 0 ? "command" : "", &inspection->chain[i]);
    if (inspection->count > 0)
        print_runtime(&inspection->chain[inspection->count - 1]);
    for (int i = 0; i < BYPASSES; i++) {
        const struct bypass_found *found = &verdict->found[i];
        if (!found->path[0])
            continue;
        line_print(stdout, LABEL "%s: %s", "not seen", found->path, bypasses[i].what);
        if (found->detail[0])
            line_print(stdout, LABEL "%s", "  where loaded", found->detail);
        line_print(stdout, LABEL "%s", "  what to do", bypasses[i].advice);
    }
    if (verdict->interrupts[0] && verdict->supervision == 0)
        line_print(stdout,
                   LABEL
                   "%s: has signals interrupt its calls (siginterrupt(), sigset()): under "
                   "supervision connect() may say EINTR",
                   "signals", verdict->interrupts);
    if (verdict->reached != REACHED_IN_PART && verdict->advice[0])
        print_line("what to do", verdict->advice);
}

/** "name":"value" with its escapes; a comma before it. */
static void print_member(const char *name, const char *value)
{
    char buf[8 * PATH_MAX];
    struct text text = text_in(buf, sizeof(buf));
    text_json(&text, value);
    printf(",\"%s\":%s", name, buf);
}

static void print_json(const struct verdict *verdict, const struct library *library,
                       bool configured)
{
    bool first = true;
    printf("{\"verdict\":\"%s\"", reached_names[verdict->reached]);
    print_member("why", verdict->why);
    print_member("advice", verdict->advice);
    if (verdict->inspection.count > 0)
        print_member("command", verdict->inspection.chain[0].path);
    print_member("library", library->path);
    print_member("interrupts", verdict->interrupts);
    printf(",\"supervision\":%s,\"configured\":%s,\"findings\":[",
           verdict->supervision == 0 ? "true" : "false", configured ? "true" : "false");
    for (int i = 0; i < BYPASSES; i++) {
        if (!verdict->found[i].path[0])
            continue;
        printf("%s{\"finding\":\"%s\"", first ? "" : ",", bypasses[i].name);
        print_member("path", verdict->found[i].path);
        print_member("what", bypasses[i].what);
        print_member("loads", verdict->found[i].detail);
        print_member("advice", bypasses[i].advice);
        putchar('}');
        first = false;
    }
    puts("]}");
}

struct check_options {
    bool json;
    pid_t process; /* or 0 */
    const char *command;
};

static bool parse_options(int argc, char **argv, struct check_options *options)
{
    static const struct option names[] = {
        {"json", no_argument, NULL, 'j'},
        {"pid", required_argument, NULL, 'i'},
        COMMON_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    *options = (struct check_options){.json = false};
    for (int letter; (letter = options_next(argc, argv, COMMON_LETTERS, names)) != -1;) {
        if (letter == '?')
            return false;
        options->json = options->json || letter == 'j';
        if (letter == 'i' && !(options->process = sockets_parse_pid(optarg)))
            return false;
    }
    options->command = optind < argc ? argv[optind] : NULL;
    return true;
}

static void print_text(const struct verdict *verdict, const struct library *library)
{
    line_print(stdout, "%s: %s", reached_texts[verdict->reached], verdict->why);
    check_library(library);
    check_kernel();
    check_privileges();
    print_supervision(verdict->supervision);
    check_settings();
    check_configuration();
    print_command(verdict);
}

int check_main(int argc, char **argv)
{
    static struct library library;
    static struct verdict verdict;
    static struct config config;
    struct check_options options;
    char error[CONFIG_ERROR_SIZE];
    if (!parse_options(argc, argv, &options))
        return EXIT_USAGE;
    if (options.process)
        return check_process(options.process, options.json);
    if (!library_find(&library))
        library.path[0] = '\0';
    verdict_find(options.command, &library, &verdict);
    bool configured = config_parse(environ, &config, error);
    if (options.json)
        print_json(&verdict, &library, configured);
    else
        print_text(&verdict, &library);
    if (!configured)
        return EXIT_USAGE;
    return verdict.reached == NOT_REACHED ? EXIT_FAILED : EXIT_SUCCESS;
}
