/*
 * check: whether a command can be reached and by which way, and why; then what is configured,
 * and what this kernel and these privileges allow.
 */
#include "launcher/check/explain.h"
#include "launcher/check/host.h"
#include "launcher/check/process.h"
#include "launcher/commands.h"
#include "launcher/elf.h"
#include "launcher/failure.h"
#include "launcher/options.h"
#include "launcher/sockets.h"

#include <stdio.h>
#include <stdlib.h>

/** What the library was built for; "" where it cannot be read. */
static const char *library_kind(const char *path)
{
    static char kind[96];
    struct elf elf;
    kind[0] = '\0';
    if (elf_open(path, &elf) && elf.is_elf)
        snprintf(kind, sizeof(kind), "; %s, %s", elf_machine(&elf),
                 libc_names[elf_needed_libc(&elf)]);
    elf_close(&elf);
    return kind;
}

static void say_library(struct say *to, const struct library *library)
{
    bool found = library->path[0] != '\0';
    if (found)
        say_as(to, "library", "library", say_quoted(library->path), "%s (%s%s)", library->path,
               library->where, library_kind(library->path));
    else
        say_as(to, "library", "library", "\"\"", "not found, or its path cannot be preloaded");
    say_string(to, "library_where", found ? library->where : NULL);
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

static void say_all(struct say *to, const struct verdict *verdict,
                    const struct library *library)
{
    explain_verdict(to, verdict);
    say_library(to, library);
    host_say_kernel(to);
    explain_supervision(to, verdict);
    host_say_settings(to);
    say_end(to);
}

int check_main(int argc, char **argv)
{
    static struct library library;
    static struct verdict verdict;
    struct check_options options;
    if (!parse_options(argc, argv, &options))
        return EXIT_USAGE;
    if (options.process)
        return check_process(options.process, options.json);
    if (!library_find(&library))
        library.path[0] = '\0';
    verdict_find(options.command, &library, &verdict);
    struct say to = say_begin(options.json);
    say_all(&to, &verdict, &library);
    if (!host_is_configured())
        return EXIT_USAGE;
    return verdict.reached == NOT_REACHED ? EXIT_FAILED : EXIT_SUCCESS;
}
