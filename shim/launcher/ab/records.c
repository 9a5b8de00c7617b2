#include "launcher/ab/records.h"

#include "launcher/memory.h"
#include "launcher/report/data.h"
#include "policy/policy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The library writes no blanks in its records (report/json.c), and a backslash before a quote
 * within a string, so that `"name":` can only be a member's name.
 */

/** What follows `key` for the first time, or NULL. */
static const char *after(const char *record, const char *key)
{
    const char *found = strstr(record, key);
    return found ? found + strlen(key) : NULL;
}

/** The number behind `key`; 0 where there is none. */
static double number_after(const char *record, const char *key)
{
    const char *value = after(record, key);
    return value ? strtod(value, NULL) : 0;
}

static bool begins(const char *s, const char *with)
{
    return s && strncmp(s, with, strlen(with)) == 0;
}

/** Our FIN had not been sent. */
static bool had_no_fin(const char *record)
{
    const char *state = after(record, "\"state\":\"");
    return begins(state, state_names[STATE_ESTABLISHED]) ||
           begins(state, state_names[STATE_SYN_RECV]) ||
           begins(state, state_names[STATE_CLOSE_WAIT]);
}

/**
 * It ended in a reset in place of a FIN: by the policy, or because input was left unread
 * (fact 7). A peer that still reads then sees ECONNRESET (fact 3).
 */
static bool was_cut(const char *record)
{
    const char *reason = after(record, "\"reason\":");
    bool unread = number_after(record, "\"unread\":") > 0 && !begins(reason, "\"discarded\"");
    return had_no_fin(record) && (unread || begins(after(record, "\"action\":"), "\"rst\"") ||
                                  begins(reason, "\"disconnect\""));
}

static void add_duration(struct durations *durations, const char *value)
{
    if (!value || *value < '0' || *value > '9') /* null */
        return;
    durations->all =
        grow(durations->all, &durations->room, durations->count + 1, sizeof(*durations->all));
    durations->all[durations->count++] = strtod(value, NULL);
}

static void add_pid(struct pids *pids, int pid)
{
    if (pids->count > 0 && pids->all[pids->count - 1] == pid)
        return;
    pids->all = grow(pids->all, &pids->room, pids->count + 1, sizeof(*pids->all));
    pids->all[pids->count++] = pid;
}

static void add_log_record(struct records *records, const char *record)
{
    struct tuple tuple;
    const char *local = after(record, "\"local\":\"");
    const char *peer = after(record, "\"peer\":\"");
    double lost = number_after(record, "\"dropped\":");
    records->lost += lost;
    records->connections += 1 + lost;
    records->cut += was_cut(record);
    add_pid(&records->logged, (int)number_after(record, "\"pid\":"));
    add_duration(&records->close_us, after(record, "\"close_us\":"));
    add_duration(&records->connect_us, after(record, "\"connect_us\":"));
    if (local && peer && tuple_parse(local, &tuple.local, &tuple.local_port) &&
        tuple_parse(peer, &tuple.peer, &tuple.peer_port))
        tuples_add(&records->tuples, &tuple);
    else
        records->nameless++;
}

void connect_error_add(struct connect_error errors[CONNECT_ERRORS_MAX], const char *name,
                       size_t len, double count)
{
    struct connect_error *error = errors;
    struct connect_error *end = errors + CONNECT_ERRORS_MAX;
    if (count == 0 || len >= sizeof(error->name))
        return;
    while (error < end && error->name[0] &&
           !(strlen(error->name) == len && memcmp(error->name, name, len) == 0))
        error++;
    if (error == end)
        return;
    memcpy(error->name, name, len);
    error->count += count;
}

/** `{"EADDRNOTAVAIL":0,...}` */
static void add_errors(struct records *records, const char *object)
{
    for (const char *at = object; at && (*at == '{' || *at == ',') && at[1] == '"';) {
        const char *name = at + 2;
        size_t len = strcspn(name, "\"");
        char *end;
        if (name[len] != '"' || name[len + 1] != ':')
            return;
        double count = strtod(name + len + 2, &end);
        records->connect_errors += count;
        connect_error_add(records->errors, name, len, count);
        at = end;
    }
}

static void add_stats_record(struct records *records, const char *record)
{
    add_pid(&records->ended, (int)number_after(record, "\"pid\":"));
    for (const char *p = record; (p = after(p, "{\"policy\":"));)
        add_errors(records, after(p, "\"connect_errors\":"));
}

static void each_line(struct records *records, const char *path,
                      void (*add)(struct records *records, const char *record))
{
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    while (getline(&line, &size, file) > 0)
        add(records, line);
    free(line);
    fclose(file);
}

void records_read_log(struct records *records, const char *path)
{
    each_line(records, path, add_log_record);
}

void records_read_stats(struct records *records, const char *path)
{
    each_line(records, path, add_stats_record);
}

void records_add_board(struct records *records, const struct row *row)
{
    char buf[16];
    records->board.connections += (double)row->connections;
    records->board.connect_errors += (double)row_failed(row);
    for (int error = 0; error < BOARD_ERRORS; error++) {
        const char *name = error_name(error, buf);
        connect_error_add(records->board.errors, name, strlen(name),
                          (double)row->connect_errors[error]);
    }
}

bool records_board_is_complete(const struct records *records)
{
    double seen = records->board.connections + records->board.connect_errors;
    return records->board.connections >= records->connections &&
           records->board.connect_errors >= records->connect_errors && seen > 0;
}

void records_take_board(struct records *records)
{
    records->connections = records->board.connections;
    records->connect_errors = records->board.connect_errors;
    memcpy(records->errors, records->board.errors, sizeof(records->errors));
}

bool records_any(const struct records *records)
{
    return records->logged.count > 0 || records->ended.count > 0 ||
           records->board.connections + records->board.connect_errors > 0;
}

static int compare_pids(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

size_t records_killed(struct records *records)
{
    const struct pids *ended = &records->ended;
    size_t killed = 0;
    if (records->logged.count == 0)
        return 0;
    qsort(records->logged.all, records->logged.count, sizeof(int), compare_pids);
    if (ended->count > 0)
        qsort(ended->all, ended->count, sizeof(int), compare_pids);
    for (size_t i = 0; i < records->logged.count; i++) {
        int pid = records->logged.all[i];
        if (i > 0 && pid == records->logged.all[i - 1])
            continue;
        killed += ended->count == 0 ||
                  !bsearch(&pid, ended->all, ended->count, sizeof(int), compare_pids);
    }
    return killed;
}

static int compare_durations(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/** Sorts them; their number. */
static size_t sort_durations(struct durations *durations)
{
    if (durations->count > 0)
        qsort(durations->all, durations->count, sizeof(*durations->all), compare_durations);
    return durations->count;
}

double durations_median(struct durations *durations)
{
    size_t n = sort_durations(durations);
    return n > 0 ? (durations->all[(n - 1) / 2] + durations->all[n / 2]) / 2 : NAN;
}

double durations_p99(struct durations *durations)
{
    size_t n = sort_durations(durations);
    return n > 0 ? durations->all[(n * 99 + 99) / 100 - 1] : NAN;
}

void records_free(struct records *records)
{
    tuples_clear(&records->tuples);
    free(records->logged.all);
    free(records->ended.all);
    free(records->close_us.all);
    free(records->connect_us.all);
    *records = (struct records){0};
}
