#include "launcher/ab/measure.h"

#include "kernel/clock.h"
#include "kernel/diag.h"
#include "launcher/child.h"
#include "launcher/counters.h"
#include "launcher/environment.h"
#include "launcher/line.h"
#include "launcher/memory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** How long connections that are being closed may take until TIME_WAIT is counted. */
#define SETTLE_MS 2000

static char *directory, *log_file, *stats_file;

bool measure_begin(void)
{
    const char *temporary = getenv("TMPDIR");
    if (!temporary || !*temporary)
        temporary = "/tmp";
    if (asprintf(&directory, "%s/notimewait-XXXXXX", temporary) < 0 || !mkdtemp(directory)) {
        complain("no directory can be made in %s: %s", temporary, strerror(errno));
        directory = NULL;
        return false;
    }
    if (asprintf(&log_file, "%s/log", directory) < 0 ||
        asprintf(&stats_file, "%s/stats", directory) < 0)
        return false;
    environment_set("NOTIMEWAIT_LOG", log_file);
    environment_set("NOTIMEWAIT_STATS", stats_file);
    return true;
}

static void remove_files(void)
{
    unlink(log_file);
    unlink(stats_file);
}

void measure_end(void)
{
    if (!directory)
        return;
    remove_files();
    rmdir(directory);
    free(log_file);
    free(stats_file);
    free(directory);
    directory = NULL;
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
static size_t settle(int diag, struct tuples *tuples)
{
    const unsigned states = 1u << STATE_FIN_WAIT1 | 1u << STATE_FIN_WAIT2 | 1u << STATE_CLOSING;
    int64_t deadline = clock_now() + SETTLE_MS * NS_PER_MS;
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
    struct waiting waiting = {0};
    if (tuples->count > 0 && !leftovers_count(diag, tuples, &waiting))
        return NAN;
    return (double)waiting.entries;
}

static double rst_since(double before)
{
    double now = counters_rst_sent();
    return before < 0 || now < 0 ? NAN : now - before;
}

/** What the library tells of the run, unless it was not there, or no process came to its end.
 */
static void take_records(struct measured *run, struct records *records)
{
    run->observed = records->processes > 0;
    run->unknown = records->lost + records->nameless;
    if (!run->observed)
        return;
    run->value[CONNECTIONS] = records->connections;
    run->value[CONNECT_ERRORS] = records->connect_errors;
    run->value[CUT] = records->cut;
    run->value[CLOSE_US] = parts_median(&records->close_us);
    run->value[CONNECT_US] = parts_median(&records->connect_us);
}

static struct measured figures_of(const struct child_result *result, struct records *records,
                                  int diag, double rst_before)
{
    struct measured run = {.status = result->status};
    for (int figure = 0; figure < FIGURES; figure++)
        run.value[figure] = NAN;
    take_records(&run, records);
    run.value[WALL_S] = result->wall_s;
    run.not_settled = settle(diag, &records->tuples);
    if (run.observed || records->tuples.count > 0)
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

int measure_once(char *const command[], struct series *arm, struct leftovers *leftovers,
                 bool contaminated)
{
    struct records records = {0};
    remove_files();
    environment_set("NOTIMEWAIT_POLICY", arm->policy);
    double rst_before = counters_rst_sent();
    struct child_result result = child_run(command, &(struct child_options){.apart = true});
    records_read_log(&records, log_file);
    records_read_stats(&records, stats_file);
    if (result.error == 0 && !result.interrupted) {
        struct measured run = figures_of(&result, &records, leftovers->diag, rst_before);
        run.contaminated = contaminated;
        add_run(arm, &run, &records);
    }
    tuples_add_all(&leftovers->tuples, &records.tuples);
    records_free(&records);
    return result.error;
}
