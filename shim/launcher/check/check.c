/*
 * check: what is configured, what this kernel and these privileges allow, and whether the
 * preload can work on a command.
 */
#include "kernel/file.h"
#include "launcher/commands.h"
#include "launcher/counters.h"
#include "launcher/elf.h"
#include "launcher/failure.h"
#include "launcher/inspect.h"
#include "launcher/line.h"
#include "launcher/options.h"
#include "launcher/probe.h"
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

/** Returns whether the configuration is good. */
static bool check_configuration(void)
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
    if (config_parse(environ, &config, error))
        return true;
    print_line("configuration", error);
    return false;
}

/** Returns whether it was found. */
static bool check_library(struct library *library)
{
    struct elf elf;
    if (!library_find(library)) {
        print_line("library", "not found, or its path cannot be preloaded");
        return false;
    }
    if (!elf_open(library->path, &elf) || !elf.is_elf)
        line_print(stdout, LABEL "%s (%s)", "library", library->path, library->where);
    else
        line_print(stdout, LABEL "%s (%s; %s, %s)", "library", library->path, library->where,
                   elf_machine(&elf), libc_names[elf_needed_libc(&elf)]);
    elf_close(&elf);
    return true;
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

/** Returns whether the preload reaches it. */
static bool check_command(const char *command, const struct library *library)
{
    static struct inspection inspection;
    const struct inspected *last = inspect(command, library, &inspection);
    for (unsigned i = 0; i < inspection.count; i++)
        print_inspected(i == 0 ? "command" : "", &inspection.chain[i]);
    print_runtime(last);
    if (findings[last->finding].reach != REACH_REACHED)
        print_line("what to do", findings[last->finding].advice);
    return findings[last->finding].reach == REACH_REACHED;
}

int check_main(int argc, char **argv)
{
    static const struct option names[] = {COMMON_OPTIONS, {NULL, 0, NULL, 0}};
    static struct library library;
    if (options_next(argc, argv, COMMON_LETTERS, names) != -1)
        return EXIT_USAGE;
    bool works = check_library(&library);
    check_kernel();
    check_privileges();
    check_settings();
    bool configured = check_configuration();
    if (optind < argc)
        works = check_command(argv[optind], &library) && works;
    if (!configured)
        return EXIT_USAGE;
    return works ? EXIT_SUCCESS : EXIT_FAILED;
}
