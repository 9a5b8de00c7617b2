#include "launcher/report/read.h"

#include "launcher/ab/tuples.h"
#include "launcher/line.h"
#include "policy/histogram.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The library writes no blanks in its records and a backslash before a quote within a string,
 * so that `"name":` can only be a member's name (report/json.c). The members have an order:
 * each is looked for behind the one before, and from the beginning where it is not there.
 */
struct record_text {
    const char *line, *at;
};

/** What follows `key`, or NULL. */
static const char *after(struct record_text *record, const char *key)
{
    const char *found = strstr(record->at, key);
    found = found ? found : strstr(record->line, key);
    if (!found)
        return NULL;
    record->at = found + strlen(key);
    return record->at;
}

/** Copies a JSON string's text, up to its quote, as it stands there. */
static bool copy_string(struct record_text *record, const char *key, char *to, size_t size)
{
    const char *from = after(record, key);
    size_t len = 0;
    if (!from)
        return false;
    for (; from[len] && from[len] != '"' && len < size - 1; len++)
        len += from[len] == '\\' && from[len + 1] != '\0' && len + 2 < size;
    memcpy(to, from, len);
    to[len] = '\0';
    return true;
}

static bool begins(const char *s, const char *with)
{
    return s && strncmp(s, with, strlen(with)) == 0;
}

/** Microseconds, as a number of the log; nothing where it is null. */
static void add_time(uint64_t times[HISTOGRAM_BUCKETS], const char *value)
{
    if (value && *value >= '0' && *value <= '9')
        times[histogram_bucket((uint64_t)(strtod(value, NULL) * 1000))]++;
}

/** Of a client. */
static void add_peer(struct row *row, const char *value)
{
    struct peer_of peer;
    if (value && tuple_parse(value, &peer.address, &peer.port))
        row_add_peer(row, &peer);
}

static void add_dropped(struct data *data, struct row *row, const char *value)
{
    uint64_t dropped = value ? strtoull(value, NULL, 10) : 0;
    data->dropped += dropped;
    row->connections += dropped;
    row->closes += dropped;
}

/** In the order of report/log.c. */
static bool add_record(struct data *data, const char *line)
{
    struct record_text record = {line, line};
    char program[104];
    char policy[32];
    if (!begins(line, "{\"ts\":") ||
        !copy_string(&record, "\"program\":\"", program, sizeof(program)))
        return false;
    bool client = begins(after(&record, "\"role\":"), "\"client\"");
    const char *peer = after(&record, "\"peer\":\"");
    if (!copy_string(&record, "\"policy\":\"", policy, sizeof(policy)))
        return false;
    struct row *row = data_row(data, program, policy, false);
    row->from_log = true;
    row->connections++;
    row->closes++;
    row->resets += begins(after(&record, "\"action\":"), "\"rst\"");
    row->recycled += begins(after(&record, "\"recycled\":"), "true");
    add_time(row->connect_ns, after(&record, "\"connect_us\":"));
    add_time(row->close_ns, after(&record, "\"close_us\":"));
    add_peer(row, client ? peer : NULL);
    add_dropped(data, row,
                strstr(record.at, "\"dropped\":") ? after(&record, "\"dropped\":") : NULL);
    return true;
}

static bool is_blank(const char *line)
{
    return line[strspn(line, " \n")] == '\0'; /* what a full disk had no room for (undo.h) */
}

bool read_log(struct data *data, const char *path)
{
    char *line = NULL;
    size_t size = 0;
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    if (!file) {
        complain("%s: %s", path, strerror(errno));
        return false;
    }
    errno = 0;
    while (getline(&line, &size, file) > 0)
        data->strange += !is_blank(line) && !add_record(data, line);
    bool read = !ferror(file);
    if (!read)
        complain("%s: %s", path, strerror(errno));
    free(line);
    if (!standard)
        fclose(file);
    return read;
}
