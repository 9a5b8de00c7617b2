/*
 * report: what the programs of a board do now, or those of a log did.
 *
 * Owns: the options, and where the report goes.
 */
#include "launcher/report/read.h"
#include "launcher/report/show.h"
#include "launcher/report/watch.h"

#include "launcher/commands.h"
#include "launcher/failure.h"
#include "launcher/line.h"
#include "launcher/options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum form { TABLE, JSON, OPENMETRICS, PROMETHEUS, WATCH };

struct report_options {
    enum form form;
    const char *output; /* or NULL */
    char **names;
};

static bool parse_options(int argc, char **argv, struct report_options *options)
{
    static const struct option names[] = {
        {"json", no_argument, NULL, JSON},
        {"openmetrics", no_argument, NULL, OPENMETRICS},
        {"prometheus", no_argument, NULL, PROMETHEUS},
        {"watch", no_argument, NULL, WATCH},
        {"output", required_argument, NULL, 'o'},
        COMMON_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    *options = (struct report_options){.form = TABLE};
    for (int letter; (letter = options_next(argc, argv, COMMON_LETTERS, names)) != -1;) {
        if (letter == '?')
            return false;
        if (letter == 'o')
            options->output = optarg;
        else
            options->form = (enum form)letter;
    }
    options->names = argv + optind;
    if (optind == argc)
        complain("report: no board and no log is named (see notimewait --help)");
    else if (options->form == WATCH && options->output)
        complain("report: --watch is for a terminal, and not for --output");
    else
        return true;
    return false;
}

static bool read_one(struct data *data, const char *name)
{
    struct stat status;
    bool directory = stat(name, &status) == 0 && S_ISDIR(status.st_mode);
    return directory ? read_board(data, name) : read_log(data, name);
}

/** `context`: the names, up to NULL. */
static bool read_all(void *context, struct data *data)
{
    for (char **name = context; *name; name++)
        if (!read_one(data, *name))
            return false;
    return true;
}

static void print_report(struct data *data, enum form form, FILE *file)
{
    struct data arms;
    struct shown shown = {.all = data, .arms = &arms};
    if (form == OPENMETRICS || form == PROMETHEUS) {
        read_time_wait(data);
        show_metrics(data, form == PROMETHEUS, file);
        return;
    }
    data_arms(data, &arms);
    read_time_wait(&arms);
    struct difference *differences = compare(data, &arms, &shown.differences_count);
    shown.differences = differences;
    if (form == JSON)
        show_json(&shown, file);
    else
        show_table(&shown, file);
    free(differences);
    data_free(&arms);
}

static bool write_report(struct data *data, enum form form, FILE *file)
{
    if (!file)
        return false;
    print_report(data, form, file);
    bool written = !ferror(file);
    return fclose(file) == 0 && written;
}

/** Beside the file, and renamed when it is whole: who reads sees the old or the new one. */
static bool replace(struct data *data, enum form form, const char *output)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s.%d", output, (int)getpid());
    errno = ENAMETOOLONG;
    FILE *file = len < (int)sizeof(path) ? fopen(path, "wxe") : NULL;
    bool written = write_report(data, form, file) && rename(path, output) == 0;
    if (file && !written)
        unlink(path);
    return written;
}

/** /dev/stdout: in a file, it may stand behind what others have written there. */
static bool is_stdout(const struct stat *status)
{
    struct stat other;
    return fstat(STDOUT_FILENO, &other) == 0 && other.st_dev == status->st_dev &&
           other.st_ino == status->st_ino;
}

/** A device or a pipe stays what it is, and a link leads where it did, or to a new file. */
static bool write_there(struct data *data, enum form form, const char *output)
{
    struct stat status;
    char real[PATH_MAX];
    bool there = stat(output, &status) == 0;
    if (there && is_stdout(&status)) {
        print_report(data, form, stdout);
        return fflush(stdout) == 0 && !ferror(stdout);
    }
    if (there && !S_ISREG(status.st_mode))
        return write_report(data, form, fopen(output, "we"));
    if (realpath(output, real))
        return replace(data, form, real);
    if (lstat(output, &status) == 0) /* no name leads to its file */
        return write_report(data, form, fopen(output, "we"));
    return replace(data, form, output);
}

static bool write_output(struct data *data, const struct report_options *options)
{
    bool written = write_there(data, options->form, options->output);
    if (!written)
        complain("%s: %s", options->output, strerror(errno));
    return written;
}

int report_main(int argc, char **argv)
{
    struct report_options options;
    struct data data = {0};
    if (!parse_options(argc, argv, &options))
        return EXIT_USAGE;
    if (options.form == WATCH)
        return watch(read_all, options.names, options.names[0]);
    bool done = read_all(options.names, &data);
    if (done && options.output)
        done = write_output(&data, &options);
    else if (done)
        print_report(&data, options.form, stdout);
    data_free(&data);
    return done ? EXIT_SUCCESS : EXIT_FAILED;
}
