/*
 * check: whether a command can be reached and by which way, and why; then what is configured,
 * and what this kernel and these privileges allow.
 */
#include "kernel/file.h"
#include "launcher/check/explain.h"
#include "launcher/check/process.h"
#include "launcher/commands.h"
#include "launcher/counters.h"
#include "launcher/elf.h"
#include "launcher/failure.h"
#include "launcher/line.h"
#include "launcher/options.h"
#include "launcher/probe.h"
#include "launcher/sockets.h"
#include "policy/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define TIME_WAIT_S 60 /* TCP_TIMEWAIT_LEN */

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
    explain_verdict(verdict);
    check_library(library);
    check_kernel();
    check_privileges();
    explain_supervision(verdict);
    check_settings();
    check_configuration();
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
        explain_as_json(&verdict, &library, configured);
    else
        print_text(&verdict, &library);
    if (!configured)
        return EXIT_USAGE;
    return verdict.reached == NOT_REACHED ? EXIT_FAILED : EXIT_SUCCESS;
}
