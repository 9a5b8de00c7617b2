#include "report/log.h"

#include "kernel/process.h"
#include "report/json.h"
#include "report/sink.h"

#include <time.h>

static const char *const via_names[] = {
    [VIA_CLOSE] = "close",   [VIA_DUP2] = "dup2",
    [VIA_FCLOSE] = "fclose", [VIA_CLOSE_RANGE] = "close_range",
    [VIA_EXIT] = "exit",     [VIA_DISCONNECT] = "disconnect",
};

static void text_who(struct text *text, const struct record *record)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    json_key(text, "ts");
    text_number(text, (uint64_t)ts.tv_sec, 1);
    text_char(text, '.');
    text_number(text, (uint64_t)ts.tv_nsec / 1000, 6);
    json_number(text, "pid", (uint64_t)process_pid());
    json_string(text, "program", process_program());
    json_number(text, "fd", (uint64_t)record->fd);
    json_string(text, "via", via_names[record->via]);
    json_string(text, "role", role_names[record->role]);
    json_address(text, "local", &record->local);
    json_address(text, "peer", &record->peer);
}

static void text_what(struct text *text, const struct record *record)
{
    char policy[32];
    struct text policy_name = text_in(policy, sizeof(policy));
    policy_text(&policy_name, record->policy);
    json_string(text, "policy", policy);
    json_string(text, "state", state_names[record->state]);
    json_string(text, "last_op", last_op_names[record->last]);
    json_number(text, "unacked", record->unacked);
    json_number(text, "unread", record->unread);
    json_string(text, "action", action_names[record->decision.action]);
    json_string(text, "reason", reason_names[record->decision.reason]);
    json_boolean(text, "recycled", record->recycled);
    json_us(text, "connect_us", record->connect_ns);
    json_us(text, "close_us", record->close_ns);
}

void log_close(const struct record *record)
{
    char line[1280]; /* below PIPE_BUF: a pipe takes it whole or not at all (pipe(7)) */
    struct text text = text_in(line, sizeof(line));
    text_char(&text, '{');
    text_who(&text, record);
    text_what(&text, record);
    uint64_t dropped = sink_dropped(&sink_log);
    if (dropped > 0)
        json_number(&text, "dropped", dropped);
    text_str(&text, "}\n");
    if (text.cut || !sink_write(&sink_log, line, text.len))
        sink_drop(&sink_log, dropped + 1);
}
