#include "launcher/ab/records.h"

#include "launcher/memory.h"
#include "policy/policy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The records are the library's own (json.c): no blanks, and a quote within a string is behind
 * a backslash, so that `"name":` is only ever a member's name.
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

static void take_log(struct records *records, const char *record)
{
    struct tuple tuple;
    const char *local = after(record, "\"local\":\"");
    const char *peer = after(record, "\"peer\":\"");
    records->lost += number_after(record, "\"dropped\":");
    records->cut += was_cut(record);
    if (local && peer && tuple_parse(local, tuple.local, &tuple.local_port) &&
        tuple_parse(peer, tuple.peer, &tuple.peer_port))
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
static void take_errors(struct records *records, const char *object)
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

/** A process without samples has a median of zero. */
static void add_part(struct parts *parts, double median, double weight)
{
    if (!(median > 0 && weight > 0))
        return;
    parts->all = grow(parts->all, &parts->room, parts->count + 1, sizeof(*parts->all));
    parts->all[parts->count++] = (struct part){median, weight};
}

static void take_policy(struct records *records, const char *object)
{
    double connections = number_after(object, "\"connections\":");
    records->connections += connections;
    take_errors(records, after(object, "\"connect_errors\":"));
    add_part(&records->close_us, number_after(object, "\"close_us\":{\"p50\":"),
             number_after(object, "\"closes\":"));
    add_part(&records->connect_us, number_after(object, "\"connect_us\":{\"p50\":"),
             connections);
}

static void take_stats(struct records *records, const char *record)
{
    records->processes++;
    for (const char *p = record; (p = after(p, "{\"policy\":"));)
        take_policy(records, p);
}

static void each_line(struct records *records, const char *path,
                      void (*take)(struct records *records, const char *record))
{
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    while (getline(&line, &size, file) > 0)
        take(records, line);
    free(line);
    fclose(file);
}

void records_read_log(struct records *records, const char *path)
{
    each_line(records, path, take_log);
}

void records_read_stats(struct records *records, const char *path)
{
    each_line(records, path, take_stats);
}

static int compare(const void *a, const void *b)
{
    double x = ((const struct part *)a)->median;
    double y = ((const struct part *)b)->median;
    return (x > y) - (x < y);
}

double parts_median(struct parts *parts)
{
    double all = 0;
    double below = 0;
    if (parts->count == 0)
        return NAN;
    qsort(parts->all, parts->count, sizeof(*parts->all), compare);
    for (size_t i = 0; i < parts->count; i++)
        all += parts->all[i].weight;
    size_t i = 0;
    while (i + 1 < parts->count && (below += parts->all[i].weight) < all / 2)
        i++;
    return parts->all[i].median;
}

void records_free(struct records *records)
{
    tuples_clear(&records->tuples);
    free(records->close_us.all);
    free(records->connect_us.all);
    *records = (struct records){0};
}
