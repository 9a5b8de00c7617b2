#include "launcher/counters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool counters_file(const char *path, long *numbers, int count)
{
    FILE *file = fopen(path, "re");
    int read = 0;
    if (!file)
        return false;
    char line[256] = "";
    char *at = fgets(line, sizeof(line), file);
    fclose(file);
    for (char *end; at && read < count; read++, at = end) {
        numbers[read] = strtol(at, &end, 10);
        if (end == at)
            break;
    }
    return read == count;
}

/** The value of `name`: one line has the names, the next line the values (RFC 1213's). */
static double value_below(const char *names, const char *values, const char *name)
{
    while (*names && *values) {
        size_t name_len = strcspn(names, " \n");
        if (strlen(name) == name_len && memcmp(names, name, name_len) == 0)
            return strtod(values, NULL);
        size_t value_len = strcspn(values, " \n");
        names += name_len + (names[name_len] != '\0');
        values += value_len + (values[value_len] != '\0');
    }
    return -1;
}

double counters_rst_sent(void)
{
    char names[1024];
    char values[1024];
    double rst = -1;
    FILE *file = fopen("/proc/self/net/snmp", "re");
    if (!file)
        return -1;
    while (rst < 0 && fgets(names, sizeof(names), file) && fgets(values, sizeof(values), file))
        if (strncmp(names, "Tcp:", 4) == 0)
            rst = value_below(names, values, "OutRsts");
    fclose(file);
    return rst;
}
