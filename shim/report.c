#include "report.h"

#include "owner.h"
#include "shim.h"
#include "sink.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>

static const char *const via_names[] = {
    [VIA_CLOSE] = "close",   [VIA_DUP2] = "dup2",
    [VIA_FCLOSE] = "fclose", [VIA_CLOSE_RANGE] = "close_range",
    [VIA_EXIT] = "exit",     [VIA_DISCONNECT] = "disconnect",
};

static const char *const role_names[] = {
    [ROLE_UNKNOWN] = "unknown",
    [ROLE_CLIENT] = "client",
    [ROLE_SERVER] = "server",
};

static char program[100]; /* cut, so that a record fits its line */

void report_init(void)
{
    const char *path = (const char *)getauxval(AT_EXECFN);
    if (!path)
        return;
    const char *slash = strrchr(path, '/');
    strncpy(program, slash ? slash + 1 : path, sizeof(program) - 1);
}

static void text_in4(struct text *text, const uint8_t *bytes)
{
    for (int i = 0; i < 4; i++) {
        text_str(text, i > 0 ? "." : "");
        text_number(text, bytes[i], 1);
    }
}

/** Where the longest run of two or more zero groups begins and ends (RFC 5952, section 4.2). */
static void longest_zeros(const uint16_t *groups, int *begin, int *end)
{
    *begin = *end = -1;
    for (int i = 0; i < 8; i++) {
        int j = i;
        while (j < 8 && groups[j] == 0)
            j++;
        if (j - i >= 2 && j - i > *end - *begin) {
            *begin = i;
            *end = j;
        }
        i = j > i ? j : i;
    }
}

static void text_in6(struct text *text, const struct in6_addr *addr)
{
    uint16_t groups[8];
    for (int i = 0; i < 8; i++)
        groups[i] = ntohs(addr->s6_addr16[i]);
    int begin, end;
    longest_zeros(groups, &begin, &end);
    for (int i = 0; i < 8; i++) {
        if (i == begin) {
            text_str(text, "::");
            i = end - 1;
            continue;
        }
        if (i > 0 && i != end)
            text_char(text, ':');
        text_hex(text, groups[i]);
    }
}

/** "127.0.0.1:80", "[::1]:80", or null. A v4-mapped address is printed as the IPv4 one it is.
 */
static void text_address(struct text *text, const union address *addr)
{
    uint16_t port = ntohs(addr->in.sin_port); /* at the same place in both families */
    if (addr->any.sa_family == AF_UNSPEC) {
        text_str(text, "null");
        return;
    }
    text_char(text, '"');
    if (addr->any.sa_family == AF_INET) {
        text_in4(text, (const uint8_t *)&addr->in.sin_addr);
    } else if (IN6_IS_ADDR_V4MAPPED(&addr->in6.sin6_addr)) {
        text_in4(text, &addr->in6.sin6_addr.s6_addr[12]);
    } else {
        text_char(text, '[');
        text_in6(text, &addr->in6.sin6_addr);
        text_char(text, ']');
    }
    text_char(text, ':');
    text_number(text, port, 1);
    text_char(text, '"');
}

static void key(struct text *text, const char *name)
{
    text_str(text, text->len > 1 ? "," : "");
    text_json(text, name);
    text_char(text, ':');
}

static void key_string(struct text *text, const char *name, const char *value)
{
    key(text, name);
    text_json(text, value);
}

static void key_number(struct text *text, const char *name, uint64_t value)
{
    key(text, name);
    text_number(text, value, 1);
}

static void text_who(struct text *text, const struct record *record, const struct conn *c)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    key(text, "ts");
    text_number(text, (uint64_t)ts.tv_sec, 1);
    text_char(text, '.');
    text_number(text, (uint64_t)ts.tv_nsec / 1000, 6);
    key_number(text, "pid", (uint64_t)owner_pid());
    key_string(text, "program", program);
    key_number(text, "fd", (uint64_t)record->fd);
    key_string(text, "via", via_names[record->via]);
    key_string(text, "role", role_names[c->role]);
    key(text, "local");
    text_address(text, &c->local);
    key(text, "peer");
    text_address(text, &c->peer);
}

static void text_what(struct text *text, const struct record *record, const struct conn *c)
{
    char policy[32];
    struct text policy_name = text_in(policy, sizeof(policy));
    policy_text(&policy_name, c->policy);
    key_string(text, "policy", policy);
    key_string(text, "state", state_names[record->state]);
    key_string(text, "last_op", last_op_names[record->last]);
    key_number(text, "unacked", record->unacked);
    key_number(text, "unread", record->unread);
    key_string(text, "action", action_names[record->decision.action]);
    key_string(text, "reason", reason_names[record->decision.reason]);
    key(text, "reaped");
    text_str(text, "false");
}

static void text_close_us(struct text *text, int64_t ns)
{
    key(text, "close_us");
    if (ns < 0) {
        text_str(text, "null");
        return;
    }
    text_number(text, (uint64_t)ns / 1000, 1);
    text_char(text, '.');
    text_number(text, (uint64_t)ns / 100 % 10, 1);
}

void report_close(const struct record *record, const struct conn *c)
{
    if (!record->established)
        return;
    char line[1280];
    struct text text = text_in(line, sizeof(line));
    text_char(&text, '{');
    text_who(&text, record, c);
    text_what(&text, record, c);
    text_close_us(&text, record->close_ns);
    uint64_t dropped = sink_dropped();
    if (dropped > 0)
        key_number(&text, "dropped", dropped);
    text_str(&text, "}\n");
    if (text.cut || !sink_write(line, text.len))
        sink_drop(dropped + 1);
}
