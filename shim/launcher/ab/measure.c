#include "launcher/ab/measure.h"

#include "kernel/clock.h"
#include "kernel/diag.h"
#include "launcher/counters.h"
#include "launcher/environment.h"
#include "launcher/line.h"
#include "launcher/memory.h"
#include "launcher/report/read.h"
#include "report/board.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/** How long connections that are being closed may take until TIME_WAIT is counted. */
#define CLOSING_MS 2000

/** The files of one run. The command may run as another user, so others may write to them, but
 * only if they know the names: these are random, and the directory cannot be listed. Nobody
 * else can read them. */
struct files {
    char *log, *stats;
};

static char *directory;

/* Of the run that is under way; no log: there is none. */
static struct {
    struct files files;
    int board;
} running;

/** TMPDIR, as an absolute path that NOTIMEWAIT_LOG can name: there %p is the pid. */
static const char *temporary_directory(char path[PATH_MAX])
{
    const char *wanted = getenv("TMPDIR");
    if (!wanted || !*wanted)
        return "/tmp";
    const char *found = realpath(wanted, path) ? path : wanted;
    return strstr(found, "%p") ? "/tmp" : found;
}

bool measure_begin(void)
{
    char path[PATH_MAX];
    const char *temporary = temporary_directory(path);
    if (asprintf(&directory, "%s/notimewait-XXXXXX", temporary) < 0)
        abort();
    if (mkdtemp(directory) && chmod(directory, 0711) == 0)
        return true;
    complain("no directory can be made in %s: %s", temporary, strerror(errno));
    free(directory);
    directory = NULL;
    return false;
}

void measure_end(void)
{
    if (!directory)
        return;
    rmdir(directory);
    free(directory);
    directory = NULL;
}

/** Makes a file to which any user may append who knows its name; returns the name. */
static char *make_file(void)
{
    uint64_t random[2];
    char *name;
    if (getrandom(random, sizeof(random), 0) != sizeof(random) ||
        asprintf(&name, "%s/%016" PRIx64 "%016" PRIx64, directory, random[0], random[1]) < 0)
        abort();
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || fchmod(fd, 0622) != 0)
        complain("%s: %s", name, strerror(errno));
    if (fd >= 0)
        close(fd);
    return name;
}

static struct files make_files(void)
{
    struct files files = {.log = make_file(), .stats = make_file()};
    environment_set("NOTIMEWAIT_LOG", files.log);
    environment_set("NOTIMEWAIT_STATS", files.stats);
    return files;
}

static void read_files(const struct files *files, struct records *records)
{
    records_read_log(records, files->log);
    records_read_stats(records, files->stats);
}

static void remove_files(struct files *files)
{
    unlink(files->log);
    unlink(files->stats);
    free(files->log);
    free(files->stats);
    files->log = files->stats = NULL;
}

/** A board of our own for the run, which nobody can cut off; its fd, or -1. */
static int make_board(void)
{
    char *path;
    int board = board_make_sealed();
    if (board < 0 || asprintf(&path, "/proc/%d/fd/%d", (int)getpid(), board) < 0) {
        unsetenv("NOTIMEWAIT_BOARD");
        return -1;
    }
    environment_set("NOTIMEWAIT_BOARD", path);
    free(path);
    return board;
}

/** What the board has that is nowhere else: failed connects, also of processes that were
 * killed, and connections that they had open. */
static void read_board_of_run(int board, struct records *records)
{
    struct data data = {0};
    struct data arms = {0};
    if (board < 0 || !read_counters(&data, board, "the board"))
        return;
    data_arms(&data, &arms);
    for (size_t i = 0; i < arms.rows_count; i++)
        records_add_board(records, &arms.rows[i]);
    data_free(&arms);
    data_free(&data);
}

/** Of the connections that a run made, those that may yet turn into TIME_WAIT. */
struct closing {
    struct tuples *tuples;
    size_t count;
};

static void count_closing(const struct diag_socket *socket, void *context)
{
    struct closing *closing = context;
    struct tuple tuple = tuple_of(socket);
    if (tuples_find(closing->tuples, &tuple) >= 0)
        closing->count++;
}

/** Waits until the connections have ended; returns how many have not. */
static size_t wait_for_closing(int diag, struct tuples *tuples)
{
    const unsigned states = 1u << STATE_FIN_WAIT1 | 1u << STATE_FIN_WAIT2 | 1u << STATE_CLOSING;
    int64_t deadline = clock_now() + CLOSING_MS * NS_PER_MS;
    for (int ms = 1;; ms = ms < 50 ? 2 * ms : 50) {
        struct closing closing = {.tuples = tuples};
        if (tuples->count > 0)
            diag_each(diag, states, count_closing, &closing);
        if (closing.count == 0 || clock_now() > deadline || child_interrupted())
            return closing.count;
        child_sleep(ms);
    }
}

static double time_wait_left(int diag, struct tuples *tuples)
{
    struct time_wait_left left = {0};
    if (tuples->count > 0 && !leftovers_count(diag, tuples, &left))
        return NAN;
    return (double)left.entries;
}

static double rst_since(double before)
{
    double now = counters_rst_sent();
    return before < 0 || now < 0 ? NAN : now - before;
}

/** What the library tells of the run, unless it tells nothing. */
static void fill_from_records(struct measured *run, struct records *records)
{
    bool complete = records_board_is_complete(records);
    run->observed = records_any(records);
    run->killed = complete ? 0 : records_killed(records);
    run->unknown = records->lost + records->nameless;
    if (!run->observed)
        return;
    if (complete)
        records_take_board(records);
    run->value[CONNECTIONS] = records->connections;
    run->value[CONNECT_ERRORS] = run->killed > 0 ? NAN : records->connect_errors;
    run->value[CUT] = records->cut;
    run->value[CLOSE_US] = durations_median(&records->close_us);
    run->value[CONNECT_US] = durations_median(&records->connect_us);
    run->connect_us_p99 = durations_p99(&records->connect_us);
}

static struct measured told_by(struct records *records, int status)
{
    struct measured run = {.status = status};
    for (int figure = 0; figure < FIGURES; figure++)
        run.value[figure] = NAN;
    fill_from_records(&run, records);
    return run;
}

static struct measured figures_of(const struct child_result *result, struct records *records,
                                  int diag, double rst_before)
{
    struct measured run = told_by(records, result->status);
    run.value[WALL_S] = result->wall_s;
    run.still_closing = wait_for_closing(diag, &records->tuples);
    if (run.observed)
        run.value[TIME_WAIT_LEFT] = time_wait_left(diag, &records->tuples);
    run.value[RST_SENT] = rst_since(rst_before);
    return run;
}

static void add_run(struct series *arm, const struct measured *run,
                    const struct records *records)
{
    arm->runs = grow(arm->runs, &arm->room, arm->count + 1, sizeof(*run));
    arm->runs[arm->count++] = *run;
    for (size_t i = 0; i < CONNECT_ERRORS_MAX && records->errors[i].name[0]; i++)
        connect_error_add(arm->errors, records->errors[i].name, strlen(records->errors[i].name),
                          records->errors[i].count);
}

void measure_so_far(struct series *arm)
{
    struct records records = {0};
    read_files(&running.files, &records);
    read_board_of_run(running.board, &records);
    struct measured run = told_by(&records, 0);
    add_run(arm, &run, &records);
    records_free(&records);
}

void measure_drop(void)
{
    const char *const files[] = {running.files.log, running.files.stats};
    for (size_t i = 0; i < 2; i++)
        if (files[i] && truncate(files[i], 0) != 0)
            return; /* they grow, then, until the command ends */
}

struct child_result measure_once(char *const command[], const struct child_options *how,
                                 struct series *arm, struct leftovers *leftovers,
                                 bool contaminated)
{
    struct records records = {0};
    running.files = make_files();
    running.board = make_board();
    environment_set("NOTIMEWAIT_POLICY", arm->policy);
    double rst_before = counters_rst_sent();
    struct child_result result = child_run(command, how);
    read_files(&running.files, &records);
    remove_files(&running.files);
    read_board_of_run(running.board, &records);
    if (running.board >= 0)
        close(running.board);
    if (result.error == 0 && !result.interrupted) {
        struct measured run = figures_of(&result, &records, leftovers->diag, rst_before);
        run.contaminated = contaminated;
        add_run(arm, &run, &records);
    }
    tuples_add_all(&leftovers->tuples, &records.tuples);
    records_free(&records);
    return result;
}
