#include "launcher/report/show.h"

#include "policy/histogram.h"

#include <string.h>

/*
 * The families, once. In OpenMetrics a counter's family has no `_total`, its samples have; the
 * older format knows no such difference.
 */
static const struct family {
    const char *name, *help;
    enum { COUNTER, GAUGE, HISTOGRAM } type;
} families[] = {
    {"notimewait_connections", "Connections that were established.", COUNTER},
    {"notimewait_closes", "Connections that were closed.", COUNTER},
    {"notimewait_recycled", "Connections whose port was taken over from TIME_WAIT.", COUNTER},
    {"notimewait_resets", "Connections that the policy reset in place of a FIN.", COUNTER},
    {"notimewait_connect_errors", "Failed connects, by errno.", COUNTER},
    {"notimewait_io_errors", "Failed reads and writes of connections, by errno.", COUNTER},
    {"notimewait_washout_connections", "Connections in the wash-out of slots.", COUNTER},
    {"notimewait_time_wait", "TIME_WAIT entries of the kernel to the same peers.", GAUGE},
    {"notimewait_connect_seconds", "How long connect() took.", HISTOGRAM},
    {"notimewait_close_seconds", "How long close() took.", HISTOGRAM},
};

enum { CONNECTIONS, CLOSES, RECYCLED, RESETS, CONNECT_ERRORS, IO_ERRORS, WASHOUT, TIME_WAIT };
enum { CONNECT_SECONDS = TIME_WAIT + 1, CLOSE_SECONDS, FAMILIES };

/** A label's value: anything but printable ASCII is '?'. */
static void print_value(FILE *file, const char *value)
{
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            fputc('\\', file);
        fputc(*value >= ' ' && *value <= '~' ? *value : '?', file);
    }
}

/** `name_suffix{policy="...",program="..."` and, if there is one, another label. */
static void print_sample(FILE *file, const struct family *family, const char *suffix,
                         const struct row *row, const char *label, const char *value)
{
    fprintf(file, "%s%s{policy=\"", family->name, suffix);
    print_value(file, row->policy);
    fputs("\",program=\"", file);
    print_value(file, row->program);
    fputc('"', file);
    if (label)
        fprintf(file, ",%s=\"%s\"", label, value);
    fputs("} ", file);
}

static void print_count(FILE *file, const struct family *family, const struct row *row,
                        uint64_t count)
{
    print_sample(file, family, family->type == COUNTER ? "_total" : "", row, NULL, NULL);
    fprintf(file, "%.0f\n", (double)count);
}

static void print_errors(FILE *file, const struct family *family, const struct row *row,
                         const uint64_t errors[BOARD_ERRORS])
{
    char buf[16];
    for (int error = 0; error < BOARD_ERRORS; error++) {
        if (errors[error] == 0)
            continue;
        print_sample(file, family, "_total", row, "errno", error_name(error, buf));
        fprintf(file, "%.0f\n", (double)errors[error]);
    }
}

#define FIRST_POWER 10 /* of two, in ns: 1 us */
#define LAST_POWER  36 /* 69 s */

static unsigned bucket_of_power(unsigned power)
{
    return histogram_bucket(UINT64_C(1) << power);
}

/** The sum is of the middles of the buckets. */
static double sum_of(const uint64_t times[HISTOGRAM_BUCKETS])
{
    double sum = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum += (double)times[i] * (double)(histogram_least(i) + histogram_least(i + 1)) / 2e9;
    return sum;
}

static void print_times(FILE *file, const struct family *family, const struct row *row,
                        const uint64_t times[HISTOGRAM_BUCKETS])
{
    uint64_t seen = 0;
    unsigned bucket = 0;
    for (unsigned power = FIRST_POWER; power <= LAST_POWER; power++) {
        char edge[32];
        for (; bucket < bucket_of_power(power); bucket++)
            seen += times[bucket];
        snprintf(edge, sizeof(edge), "%.9g", (double)(UINT64_C(1) << power) / 1e9);
        print_sample(file, family, "_bucket", row, "le", edge);
        fprintf(file, "%.0f\n", (double)seen);
    }
    print_sample(file, family, "_bucket", row, "le", "+Inf");
    fprintf(file, "%.0f\n", (double)times_count(times));
    print_sample(file, family, "_count", row, NULL, NULL);
    fprintf(file, "%.0f\n", (double)times_count(times));
    print_sample(file, family, "_sum", row, NULL, NULL);
    fprintf(file, "%.9g\n", sum_of(times));
}

static void print_row(FILE *file, int family, const struct row *row)
{
    const struct family *f = &families[family];
    const uint64_t counts[] = {[CONNECTIONS] = row->connections,
                               [CLOSES] = row->closes,
                               [RECYCLED] = row->recycled,
                               [RESETS] = row->resets};
    if (family <= RESETS)
        print_count(file, f, row, counts[family]);
    else if (family == CONNECT_ERRORS)
        print_errors(file, f, row, row->connect_errors);
    else if (family == IO_ERRORS)
        print_errors(file, f, row, row->io_errors);
    else if (family == TIME_WAIT && row->time_wait_now >= 0)
        print_count(file, f, row, (uint64_t)row->time_wait_now);
    else if (family == CONNECT_SECONDS)
        print_times(file, f, row, row->connect_ns);
    else if (family == CLOSE_SECONDS)
        print_times(file, f, row, row->close_ns);
}

static void print_head(FILE *file, const struct family *family, bool older)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const char *suffix = older && family->type == COUNTER ? "_total" : "";
    fprintf(file, "# HELP %s%s %s\n", family->name, suffix, family->help);
    fprintf(file, "# TYPE %s%s %s\n", family->name, suffix, types[family->type]);
    if (!older && family->type == HISTOGRAM)
        fprintf(file, "# UNIT %s seconds\n", family->name);
}

void show_metrics(const struct data *all, bool older, FILE *file)
{
    for (int family = 0; family < FAMILIES; family++) {
        print_head(file, &families[family], older);
        for (size_t i = 0; i < all->rows_count; i++) {
            const struct row *row = &all->rows[i];
            if (row->washout && family == WASHOUT)
                print_count(file, &families[family], row, row->connections);
            else if (!row->washout)
                print_row(file, family, row);
        }
    }
    fputs(older ? "" : "# EOF\n", file);
}
